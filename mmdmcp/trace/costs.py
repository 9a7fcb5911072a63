"""What the traced layers cost, for the cost model."""
from typing import Dict, List

from torch import nn

from ..cost import Geometry, LayerCost
from ..ops import NORMS, Layout, is_depthwise
from .units import Sides, renumber


def layer_costs(model: nn.Module, sides: Dict[str, Sides], numbers: Dict[int,
                                                                         int],
                geometry: Geometry) -> List[LayerCost]:
    """The contribution of every layer that was traced.

    Args:
        model: The model.
        sides: Layouts of its layers.
        numbers: Unit of each group that is pruned.
        geometry: At how many positions each layer is applied.
    """
    costs = []
    modules = dict(model.named_modules())
    for name, both in sides.items():
        module = modules.get(name)
        inputs, outputs = (renumber(layout, numbers) for layout in both)
        if module is None or isinstance(module, nn.PReLU):
            costs.append(LayerCost(name, Layout.fixed(1), outputs, vectors=1))
            continue
        bias = int(getattr(module, 'bias', None) is not None)
        if isinstance(module, NORMS):
            vectors = bias + int(module.weight is not None)
            costs.append(
                LayerCost(name, Layout.fixed(1), outputs, vectors=vectors))
            continue
        kernel = 1
        for size in getattr(module, 'kernel_size', ()):
            kernel *= size
        groups = getattr(module, 'groups', 1)
        if is_depthwise(module):
            inputs, groups = Layout.fixed(1), 1
        positions = geometry.positions.get(name, 0)
        costs.append(
            LayerCost(name, inputs, outputs, groups, kernel * positions,
                      kernel, bias))
    return costs


def other_params(model: nn.Module, sides: Dict[str, Sides]) -> int:
    """Parameters that no layer's cost counts."""
    return sum(p.numel() for name, p in model.named_parameters()
               if name not in sides and name.rpartition('.')[0] not in sides)
