"""What a choice of widths costs. Pure torch."""

from .count import count
from .model import CostModel, LayerCost
from .positions import read_positions
from .target import parse_target

__all__ = [
    'CostModel',
    'LayerCost',
    'count',
    'parse_target',
    'read_positions',
]
