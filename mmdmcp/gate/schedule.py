"""How the target tightens, and when the gates hold still."""

from ..errors import ConfigError
from ..methods import StagedSchedule, check_point


class GateSchedule(StagedSchedule):
    """The ratio of the full cost that is aimed at, iteration by iteration.

    It falls linearly from 1 at the first iteration to the target at
    ``ramp``, stays there, and at ``freeze`` the open channels are chosen
    for good: from then on the weights alone train. Of several targets each has
    a stage like that, which begins at the target before.

    Args:
        ramp: When the target is reached: a ratio of the training (float) or
            an iteration (int).
        freeze: When the gates stop, in the same way.

    Raises:
        ConfigError: If a value is out of range.
    """

    def __init__(self, ramp: int | float, freeze: int | float) -> None:
        super().__init__()
        check_point('ramp', ramp)
        check_point('freeze', freeze)
        self.ramp = ramp
        self.freeze = freeze

    def require_order(self) -> None:
        """Raise unless the gates train before they freeze, and freeze
        before the end.

        Raises:
            ConfigError: Naming the option.
        """
        freeze = self.iteration_at(self.freeze)
        if not 0 < freeze < self.length:
            raise ConfigError(
                f'freeze={self.freeze} is iteration {freeze} of '
                f'{self.length}{" of each target" * (self.stages > 1)}: the gates must train before, and the '
                'weights alone after it'
            )
        if self.iteration_at(self.ramp) > freeze:
            raise ConfigError(
                f'ramp={self.ramp} ends after freeze={self.freeze}: the '
                'target would never be reached'
            )

    @property
    def freezes(self) -> bool:
        """Whether the gates hold still by now."""
        return self.within >= self.iteration_at(self.freeze)

    def aim(self, target: float, start: float = 1.0) -> float:
        """Ratio of the full cost that is aimed at now.

        Args:
            target: The ratio to end at.
            start: The ratio to begin at.
        """
        ramp = self.iteration_at(self.ramp)
        done = 1.0 if ramp <= 0 else min(1.0, self.within / ramp)
        return start + (target - start) * done
