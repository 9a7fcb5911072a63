"""One unit of DMCP: layers that keep the same channels, and a grid."""

import itertools
from collections.abc import Sequence

from ..errors import ConfigError
from ..methods import ChannelUnit
from ..registry import MODELS


@MODELS.register_module()
class DMCPChannelUnit(ChannelUnit):
    """Layers that keep the same channels, and the widths they may take.

    Args:
        name: Name of the unit's first layer.
        num_channels: Channels of the full network.
        grid: Candidate widths, strictly ascending, the last is
            ``num_channels``. A subclass may give another one to its base.

    Attributes:
        steps (Sequence[int]): Widths that an expected one may be rounded to,
            ascending. Those of the grid; the mutator allows multiples of the
            divisor between them where the grid is its own.

    Raises:
        ConfigError: If the grid is not as it must be.
    """

    def __init__(self, name: str, num_channels: int, grid: tuple[int, ...]) -> None:
        super().__init__(name, num_channels)
        self.grid = tuple(grid)
        self.steps: Sequence[int] = self.grid
        ascending = all(a < b for a, b in itertools.pairwise((0, *self.grid)))
        if not ascending or self.grid[-1:] != (num_channels,):
            raise ConfigError(
                f'{name}: a {type(self).__name__} with grid={self.grid}: give '
                f'widths in ascending order, of which {num_channels} is the last'
            )

    @property
    def choices(self) -> Sequence[int]:
        """The grid."""
        return self.grid

    def __repr__(self) -> str:
        return f'{super().__repr__()[:-1]}, grid={self.grid})'
