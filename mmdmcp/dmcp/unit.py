"""One prunable unit, as users see it."""

import operator
from typing import Any

from ..errors import ConfigError
from ..registry import MODELS


@MODELS.register_module()
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

    def __init__(self, name: str, num_channels: int, grid: tuple[int, ...]) -> None:
        self.name = name
        self.num_channels = num_channels
        self.grid = tuple(grid)
        self.channels = num_channels

    def checked(self, channels: Any) -> int:
        """A width that was asked for, a whole number of any library.

        Raises:
            ConfigError: If it is no whole number or out of range.
        """
        try:
            count = operator.index(channels)
        except TypeError:
            count = 0
        if isinstance(channels, bool) or not 1 <= count <= self.num_channels:
            raise ConfigError(
                f'{self.name}: {channels!r} channels; choose 1 '
                f'to {self.num_channels}, a whole number'
            )
        return count

    def __repr__(self) -> str:
        return (
            f'{type(self).__name__}({self.name!r}, '
            f'{self.channels}/{self.num_channels}, grid={self.grid})'
        )
