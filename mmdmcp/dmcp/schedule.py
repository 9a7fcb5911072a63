"""When the chains train, and how the sampled networks are chosen."""
from typing import Tuple, Union

import torch

from ..errors import ConfigError


class SearchSchedule:
    """The search's clock.

    The probability q of random widths is 1 until the chains start to
    train, then falls linearly from ``random_sampling[0]`` to
    ``random_sampling[1]`` at the last iteration. (The release multiplies it
    by 0.9999 at every tenth step, which hardly moves in a short search.)

    Args:
        arch_start: When the chains begin to train: a share of the search
            (float), or an iteration (int).
        random_sampling: First and last q.

    Raises:
        ConfigError: If a value is out of range.
    """

    def __init__(self, arch_start: Union[int, float],
                 random_sampling: Tuple[float, float]) -> None:
        if isinstance(arch_start, bool) or not (
                isinstance(arch_start, int) and arch_start >= 0
                or isinstance(arch_start, float) and 0 <= arch_start <= 1):
            raise ConfigError(
                f'arch_start={arch_start!r}: give a share of the search from '
                '0.0 to 1.0, or an iteration as an int')
        first, last = random_sampling
        if not (0 <= first <= 1 and 0 <= last <= 1):
            raise ConfigError(f'random_sampling={random_sampling!r}: two '
                              'probabilities, each from 0 to 1')
        self.arch_start = arch_start
        self.random_sampling = (first, last)
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
                "[dict(type='mmdmcp.DMCPSearchHook')] to the config")

    @property
    def first_arch_iteration(self) -> int:
        """The iteration from which on the chains train."""
        if isinstance(self.arch_start, float):
            return int(self.arch_start * self.max_iters)
        return self.arch_start

    @property
    def trains_chains(self) -> bool:
        """Whether this iteration trains the chains."""
        return self.iteration >= self.first_arch_iteration

    @property
    def random_probability(self) -> float:
        """Probability that a sampled network has random widths."""
        if not self.trains_chains:
            return 1.
        first, last = self.random_sampling
        length = self.max_iters - 1 - self.first_arch_iteration
        if length <= 0:
            return first
        done = min(1., (self.iteration - self.first_arch_iteration) / length)
        return first + (last - first) * done

    def draw_how(self, generator: torch.Generator) -> str:
        """``'random'`` or ``'direct'``, by the probability of now."""
        uniform = torch.rand((), generator=generator).item()
        return 'random' if uniform < self.random_probability else 'direct'

    def advance(self) -> None:
        """One iteration is done."""
        self.iteration += 1

    def state_dict(self) -> dict:
        """Plain numbers for a checkpoint."""
        return dict(iteration=self.iteration, max_iters=self.max_iters)

    def load_state_dict(self, state: dict) -> None:
        """Go on where a checkpoint stopped; the length is the config's."""
        self.iteration = state['iteration']
        self.max_iters = self.max_iters or state['max_iters']
