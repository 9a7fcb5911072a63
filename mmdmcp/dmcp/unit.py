"""One unit of DMCP: layers that keep the same channels, and a grid."""

from collections.abc import Sequence

from ..methods import ChannelUnit
from ..registry import MODELS


@MODELS.register_module()
class DMCPChannelUnit(ChannelUnit):
    """Layers that keep the same channels, and the widths they may take.

    Args:
        name: Name of the unit's first layer.
        num_channels: Channels of the full network.
        grid: Candidate widths, strictly ascending, the last is
            ``num_channels``.
    """

    def __init__(self, name: str, num_channels: int, grid: tuple[int, ...]) -> None:
        super().__init__(name, num_channels)
        self.grid = tuple(grid)

    @property
    def choices(self) -> Sequence[int]:
        """The grid."""
        return self.grid

    def __repr__(self) -> str:
        return f'{super().__repr__()[:-1]}, grid={self.grid})'
