"""At which iterations channels are removed, and how many."""

from ..errors import ConfigError
from ..methods import StagedSchedule, check_point
from ..options import number


class ImportanceSchedule(StagedSchedule):
    """Steps from the full network to the target.

    The first step is before the first iteration, the last one at
    ``until``, the others evenly between them; the cost falls by the same
    amount at each. After ``until`` the network only trains. Of several
    targets each has a stage like that, which begins at the target before.

    Args:
        steps: How many; 1 prunes in one shot, before the first iteration.
        until: When the last step is made: a ratio of the training (float)
            or an iteration (int).

    Raises:
        ConfigError: If a value is out of range.
    """

    def __init__(self, steps: int, until: int | float) -> None:
        super().__init__()
        number('steps', steps, low=1, whole=True)
        check_point('until', until)
        self.steps = steps
        self.until = until

    def moments(self) -> dict[int, float]:
        """Iterations of the stage before which channels are removed, each with how much
        of the way to the target is gone then, up to 1."""
        last = self.iteration_at(self.until) if self.steps > 1 else 0
        gaps = max(self.steps - 1, 1)
        # Steps that fall on one iteration, in a short run, are made at once.
        return {
            round(step * last / gaps): (step + 1) / self.steps
            for step in range(self.steps)
        }

    def require_order(self) -> None:
        """Raise unless the network trains after the last step.

        Raises:
            ConfigError: Naming the option.
        """
        last = max(self.moments())
        if last >= self.length:
            raise ConfigError(
                f'until={self.until} is iteration {last} of {self.length}'
                f'{" of each target" * (self.stages > 1)}: '
                'the small network must train after the last step'
            )

    @property
    def finished(self) -> bool:
        """Whether the last step was made in the iterations so far."""
        return self.within > max(self.moments())
