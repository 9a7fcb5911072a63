"""How far a search is."""

import torch
from torch import Tensor

from ..errors import ConfigError, shown


class Schedule:
    """Counts the iterations of a search, whose length a hook tells.

    A *point* of a search is a ratio of its length (float) or an iteration
    (int).
    """

    def __init__(self) -> None:
        self.iteration = 0
        self.max_iters = 0

    def set_length(self, max_iters: int) -> None:
        """Tell how many iterations the search has."""
        self.max_iters = max_iters

    def require_length(self, hook: str) -> None:
        """Raise if the length was never set.

        Args:
            hook: Type of the hook that sets it.

        Raises:
            ConfigError: Naming the hook.
        """
        if self.max_iters <= 0:
            raise ConfigError(
                'the search does not know its length: add custom_hooks = '
                f"[dict(type='{hook}')] to the config"
            )

    def iteration_at(self, point: int | float) -> int:
        """The iteration of a point."""
        if isinstance(point, float):
            return int(point * self.max_iters)
        return point

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


class StagedSchedule(Schedule):
    """Counts the iterations of a run that goes from one budget to the next.

    Each budget has a stage, an equal part of the run. A point is one of a
    stage, counted from where the stage begins; of a single stage, as in any
    schedule.

    Attributes:
        stages (int): How many.
    """

    stages = 1

    def begins(self, stage: int) -> int:
        """The first iteration of a stage; of the one after the last, the end."""
        return stage * self.max_iters // self.stages

    @property
    def stage(self) -> int:
        """Number of the stage that this iteration is in."""
        begun = [s for s in range(self.stages) if self.begins(s) <= self.iteration]
        return begun[-1]

    @property
    def within(self) -> int:
        """Iterations of the stage that are done."""
        return self.iteration - self.begins(self.stage)

    @property
    def length(self) -> int:
        """Iterations that the stage has."""
        return self.begins(self.stage + 1) - self.begins(self.stage)

    def iteration_at(self, point: int | float) -> int:
        """The iteration of a point, from where the stage begins."""
        return int(point * self.length) if isinstance(point, float) else point


def check_point(name: str, point: int | float) -> None:
    """Raise unless it is a ratio from 0.0 to 1.0 or an iteration.

    Raises:
        ConfigError: Naming the option.
    """
    if isinstance(point, bool) or not (
        (isinstance(point, int) and point >= 0)
        or (isinstance(point, float) and 0 <= point <= 1)
    ):
        raise ConfigError(
            f'{name}={shown(point)}: give a ratio of the search from 0.0 to 1.0, '
            'or an iteration as an int'
        )
