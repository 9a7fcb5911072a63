"""One prunable unit, as users see it."""
from typing import Tuple


class DMCPChannelUnit:
    """Layers that keep the same channels, and the widths they may take.

    Args:
        name: Name of the unit's first layer.
        num_channels: Channels of the full network.
        grid: Candidate widths, strictly ascending, the last is
            ``num_channels``.

    Attributes:
        channels (int): The width it runs at now.
    """

    def __init__(self, name: str, num_channels: int, grid: Tuple[int,
                                                                 ...]) -> None:
        self.name = name
        self.num_channels = num_channels
        self.grid = tuple(grid)
        self.channels = num_channels

    def __repr__(self) -> str:
        return (f'{type(self).__name__}({self.name!r}, '
                f'{self.channels}/{self.num_channels}, grid={self.grid})')
