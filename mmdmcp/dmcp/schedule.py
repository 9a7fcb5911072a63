"""When the chains train, and how the sampled networks are chosen."""

import torch

from ..errors import ConfigError, shown
from ..methods import Schedule, check_point
from ..options import number


class SearchSchedule(Schedule):
    """What an iteration of the search does.

    The probability q of random widths is 1 until the chains start to
    train, then falls linearly from ``random_sampling[0]`` to
    ``random_sampling[1]`` at the last iteration. (The release multiplies it
    by 0.9999 at every tenth step, which hardly moves in a short search.)

    Args:
        arch_start: When the chains begin to train: a ratio of the search
            (float), or an iteration (int).
        random_sampling: First and last q.
        weights_stop: When the weights stop training, in the same way as
            ``arch_start``; not before it.

    Raises:
        ConfigError: If a value is out of range.
    """

    def __init__(
        self,
        arch_start: int | float,
        random_sampling: tuple[float, float],
        weights_stop: int | float = 1.0,
    ) -> None:
        super().__init__()
        check_point('arch_start', arch_start)
        check_point('weights_stop', weights_stop)
        if not isinstance(random_sampling, (list, tuple)) or len(random_sampling) != 2:
            raise ConfigError(
                f'random_sampling={shown(random_sampling)}: give two '
                'probabilities, the first and the last'
            )
        for probability in random_sampling:
            number('random_sampling: probability', probability, low=0, high=1)
        self.arch_start = arch_start
        self.weights_stop = weights_stop
        self.random_sampling = tuple(random_sampling)

    @property
    def first_arch_iteration(self) -> int:
        """The iteration from which on the chains train."""
        return self.iteration_at(self.arch_start)

    @property
    def compares(self) -> bool:
        """Whether this iteration's random networks tell where the chains should
        start: those of the second half of what comes before."""
        start = self.first_arch_iteration
        return start // 2 <= self.iteration < start

    @property
    def starts_chains(self) -> bool:
        """Whether this iteration is the first that trains the chains."""
        return self.iteration == self.first_arch_iteration

    @property
    def chain_iterations(self) -> int:
        """Iterations that train the chains, in the whole search."""
        return max(1, self.max_iters - self.first_arch_iteration)

    @property
    def trains_chains(self) -> bool:
        """Whether this iteration trains the chains."""
        return self.iteration >= self.first_arch_iteration

    @property
    def trains_weights(self) -> bool:
        """Whether this iteration trains the weights."""
        stopped = self.iteration >= self.iteration_at(self.weights_stop)
        return not (stopped and self.trains_chains)

    @property
    def random_probability(self) -> float:
        """Probability that a sampled network has random widths."""
        if not self.trains_chains:
            return 1.0
        first, last = self.random_sampling
        length = self.max_iters - 1 - self.first_arch_iteration
        if length <= 0:
            return first
        done = min(1.0, (self.iteration - self.first_arch_iteration) / length)
        return first + (last - first) * done

    def sampled_network(self, generator: torch.Generator) -> str:
        """``'random'`` or ``'direct'``, by the probability of now."""
        uniform = torch.rand((), generator=generator).item()
        return 'random' if uniform < self.random_probability else 'direct'
