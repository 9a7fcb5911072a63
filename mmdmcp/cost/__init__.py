"""What a choice of widths costs. Pure torch.

Called, the package counts any module: ``mmdmcp.cost(model, example_inputs)``.
"""

import sys
from types import ModuleType

from .budget import Budget, Limit, parse_budgets
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
    'parse_budgets',
    'read_positions',
    'register',
]


class _Callable(ModuleType):
    """One name for the package and for the function that users call, so that
    importing the one never hides the other."""

    def __call__(self, model, example_inputs) -> dict[str, int]:
        """Cost of a module as it is; see :func:`mmdmcp.plain.costs.cost_of`."""
        from ..plain.costs import cost_of

        return cost_of(model, example_inputs)


sys.modules[__name__].__class__ = _Callable
