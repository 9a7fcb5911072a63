"""How far a search is."""

import torch
from torch import Tensor

from ..errors import ConfigError


class Clock:
    """Counts iterations of a search whose length a hook tells.

    Args:
        hook: Type of that hook, for the message if it is missing.
    """

    def __init__(self, hook: str) -> None:
        self.hook = hook
        self.iteration = 0
        self.max_iters = 0

    def set_length(self, max_iters: int) -> None:
        """Tell how many iterations the search has."""
        self.max_iters = max_iters

    def require_length(self) -> None:
        """Raise if the length was never set.

        Raises:
            ConfigError: Naming the hook that sets it.
        """
        if self.max_iters <= 0:
            raise ConfigError(
                'the search does not know its length: add custom_hooks = '
                f"[dict(type='{self.hook}')] to the config"
            )

    def when(self, moment: int | float) -> int:
        """A moment, a share of the search (float) or an iteration (int), as
        an iteration."""
        if isinstance(moment, float):
            return int(moment * self.max_iters)
        return moment

    def advance(self) -> None:
        """One iteration is done."""
        self.iteration += 1

    def state(self) -> Tensor:
        """Where it stands, for a checkpoint.

        A tensor, since a Runner broadcasts every entry of a state dict.
        """
        return torch.tensor([self.iteration, self.max_iters])

    def restore(self, state: Tensor) -> None:
        """Go on where a checkpoint stopped; the length is the config's."""
        self.iteration, max_iters = state.tolist()
        self.max_iters = self.max_iters or max_iters


def check_moment(name: str, moment: int | float) -> None:
    """Raise unless it is a share from 0.0 to 1.0 or an iteration.

    Raises:
        ConfigError: Naming the option.
    """
    if isinstance(moment, bool) or not (
        (isinstance(moment, int) and moment >= 0)
        or (isinstance(moment, float) and 0 <= moment <= 1)
    ):
        raise ConfigError(
            f'{name}={moment!r}: give a share of the search from 0.0 to 1.0, '
            'or an iteration as an int'
        )
