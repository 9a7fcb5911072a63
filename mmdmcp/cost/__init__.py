"""What a choice of widths costs. Pure torch."""

from .count import count
from .geometry import Geometry, read_geometry
from .model import CostModel, LayerCost
from .target import parse_target

__all__ = [
    'CostModel',
    'Geometry',
    'LayerCost',
    'count',
    'parse_target',
    'read_geometry',
]
