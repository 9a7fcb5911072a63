"""What the traced layers cost, for the cost model."""

from collections.abc import Sequence

from torch import nn

from ..cost import Geometry, LayerCost
from ..errors import TraceError
from ..ops import NORMS, Layout, is_depthwise
from .units import Sides, renumber


def layer_costs(
    model: nn.Module,
    sides: dict[str, Sides],
    numbers: dict[int, int],
    geometry: Geometry,
) -> list[LayerCost]:
    """The contribution of every layer that was traced.

    A layer whose shape depends on no unit has MACs only: its parameters
    are among the :func:`other_params`, whatever they are.

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
        sliced = int(bool(inputs.units or outputs.units))
        if module is None or isinstance(module, (nn.PReLU, *NORMS)):
            vectors = (
                1
                if module is None
                else sum(p is not None for p in module._parameters.values())
            )
            costs.append(
                LayerCost(name, Layout.fixed(1), outputs, vectors=sliced * vectors)
            )
            continue
        kernel = 1
        for size in getattr(module, 'kernel_size', ()):
            kernel *= size
        groups = getattr(module, 'groups', 1)
        if is_depthwise(module):
            inputs, groups = Layout.fixed(1), 1
        positions = geometry.positions.get(name, 0)
        bias = int(getattr(module, 'bias', None) is not None)
        costs.append(
            LayerCost(
                name,
                inputs,
                outputs,
                groups,
                kernel * positions,
                sliced * kernel,
                sliced * bias,
            )
        )
    return costs


def other_params(model: nn.Module, costs: Sequence[LayerCost]) -> int:
    """Parameters that no layer's cost counts, each once."""
    modules = dict(model.named_modules())
    owned = dict(model.named_parameters(remove_duplicate=False))
    counted = set()
    for cost in costs:
        if cost.weights or cost.vectors:
            parameters = (
                modules[cost.name]._parameters.values()
                if cost.name in modules
                else [owned[cost.name]]
            )
            counted.update(map(id, parameters))
    return sum(p.numel() for p in model.parameters() if id(p) not in counted)


def require_exact_params(model: nn.Module, counted: int) -> None:
    """The cost model must count every parameter of the full model, once.

    Args:
        model: The model, at full width.
        counted: Parameters by the cost model.

    Raises:
        TraceError: If it does not.
    """
    params = sum(p.numel() for p in model.parameters())
    if counted != params:
        raise TraceError(
            f'{type(model).__name__} has {params:,} parameters, but its '
            f'layers add up to {counted:,}: some layer that can be pruned '
            'holds or computes its weights in a way that is not known here. '
            'Leave that layer out with mutator.scope, or prune another model'
        )
