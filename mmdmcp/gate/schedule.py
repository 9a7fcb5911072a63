"""How the target tightens, and when the gates hold still."""

from ..errors import ConfigError
from ..methods import Clock, check_moment


class GateSchedule(Clock):
    """The share of the full cost that is aimed at, iteration by iteration.

    It falls linearly from 1 at the first iteration to the target at
    ``ramp``, stays there, and at ``freeze`` the open channels are chosen
    for good: from then on the weights alone train.

    Args:
        ramp: When the target is reached: a share of the training (float) or
            an iteration (int).
        freeze: When the gates stop, in the same way.

    Raises:
        ConfigError: If a value is out of range.
    """

    def __init__(self, ramp: int | float, freeze: int | float) -> None:
        super().__init__('mmdmcp.GateHook')
        check_moment('ramp', ramp)
        check_moment('freeze', freeze)
        self.ramp = ramp
        self.freeze = freeze

    def require_order(self) -> None:
        """Raise unless the gates train before they freeze, and freeze
        before the end.

        Raises:
            ConfigError: Naming the option.
        """
        freeze = self.when(self.freeze)
        if not 0 < freeze < self.max_iters:
            raise ConfigError(
                f'freeze={self.freeze} is iteration {freeze} of '
                f'{self.max_iters}: the gates must train before, and the '
                'weights alone after it'
            )
        if self.when(self.ramp) > freeze:
            raise ConfigError(
                f'ramp={self.ramp} ends after freeze={self.freeze}: the '
                'target would never be reached'
            )

    @property
    def freezes(self) -> bool:
        """Whether the gates hold still by now."""
        return self.iteration >= self.when(self.freeze)

    def fraction(self, target: float) -> float:
        """Share of the full cost that is aimed at now.

        Args:
            target: The share to end at.
        """
        ramp = self.when(self.ramp)
        done = 1.0 if ramp <= 0 else min(1.0, self.iteration / ramp)
        return 1 + (target - 1) * done
