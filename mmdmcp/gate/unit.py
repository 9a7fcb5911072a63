"""One unit with gates, as users see it."""

from dataclasses import dataclass

from ..registry import MODELS


@MODELS.register_module()
@dataclass(frozen=True)
class GateChannelUnit:
    """Layers that share one gate a channel.

    Attributes:
        name: Name of the unit's first layer.
        num_channels: Channels of the full network.
    """

    name: str
    num_channels: int
