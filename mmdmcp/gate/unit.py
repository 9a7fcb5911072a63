"""One unit with gates, as users see it."""
from typing import Tuple


class GateChannelUnit:
    """Layers that share one gate a channel.

    Args:
        name: Name of the unit's first layer.
        num_channels: Channels of the full network.

    Attributes:
        kept (tuple[int]): Channels that are open, as the network last ran
            or was exported; all at first.
    """

    def __init__(self, name: str, num_channels: int) -> None:
        self.name = name
        self.num_channels = num_channels
        self.kept: Tuple[int, ...] = tuple(range(num_channels))

    def __repr__(self) -> str:
        return (f'{type(self).__name__}({self.name!r}, '
                f'{len(self.kept)}/{self.num_channels})')
