"""What a choice of widths costs. Pure torch."""

from .budget import Budget, Limit
from .count import count
from .measures import MEASURES, Measure, find_measure, register
from .model import CostModel, LayerCost
from .positions import read_positions

__all__ = [
    'MEASURES',
    'Budget',
    'CostModel',
    'LayerCost',
    'Limit',
    'Measure',
    'count',
    'find_measure',
    'read_positions',
    'register',
]
