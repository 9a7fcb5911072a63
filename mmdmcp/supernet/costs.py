"""What the traced layers cost, for the cost model."""

from collections.abc import Sequence

from torch import nn

from ..channels.groups import InOut
from ..cost import CostModel, LayerCost
from ..cost.parts import inside
from ..errors import TargetError, TraceError
from ..layers import kind_of
from ..ops import Layout
from ..options import prefixes
from .units import renumber

_COUNTED = ('pair', 'out', 'in')


def layer_costs(
    model: nn.Module,
    layouts: dict[str, InOut],
    slid: dict[str, Layout],
    numbers: dict[int, int],
    positions: dict[str, int],
) -> list[LayerCost]:
    """The contribution of every layer that was traced.

    A layer whose shape depends on no unit has MACs only: its parameters
    are among the :func:`other_params`, whatever they are.

    Args:
        model: The model.
        layouts: Layouts of its layers.
        slid: Layouts of the channels that layers slide over.
        numbers: Unit of each group that is pruned.
        positions: At how many positions each layer is applied.
    """
    costs, one = [], Layout.fixed(1)
    modules = dict(model.named_modules())
    for name, both in layouts.items():
        inputs, outputs = (renumber(layout, numbers) for layout in both)
        sliced = bool(inputs.units or outputs.units)
        module = modules.get(name)
        kind = kind_of(module)
        if module is None or kind is None:  # a bare parameter
            costs.append(LayerCost(name, one, outputs, vectors=int(sliced)))
            continue
        macs = kind.kernel(module) * positions.get(name, 0)
        if name in slid:
            channels = renumber(slid[name], numbers)
            costs.append(LayerCost(name, one, channels, macs=macs // channels.size))
            continue
        counts = kind.parameters(module) if sliced else dict.fromkeys(_COUNTED, 0)
        makes = kind.makes_channels
        costs.append(
            LayerCost(
                name,
                inputs if makes else one,
                outputs,
                kind.groups(module) if makes else 1,
                macs,
                counts['pair'],
                counts['out'],
            )
        )
        if counts['in']:
            costs.append(LayerCost(name, one, inputs, vectors=counts['in']))
    return costs


def part_cost(
    model: nn.Module, cost: CostModel, num_units: int, scope: Sequence[str]
) -> CostModel:
    """What the layers cost whose names begin in some way.

    Args:
        model: The model.
        cost: What all layers cost.
        num_units: Number of units.
        scope: Prefixes of names.

    Raises:
        ConfigError: If the model has no such module.
    """
    prefixes('target: scope', list(scope), dict(model.named_modules()))
    layers = [layer for layer in cost.layers if inside(layer.name, scope)]
    if not layers:
        raise TargetError(f'target: no layer of {", ".join(scope)} costs anything')
    return CostModel(layers, num_units, other_params(model, layers, scope))


def other_params(
    model: nn.Module, costs: Sequence[LayerCost], scope: Sequence[str] | None = None
) -> int:
    """Parameters that no layer's cost counts, each once; of all, or of a
    part."""
    modules = dict(model.named_modules())
    owned = dict(model.named_parameters(remove_duplicate=False))
    counted: set[int] = set()
    for cost in costs:
        if cost.weights or cost.vectors:
            parameters = (
                modules[cost.name]._parameters.values()
                if cost.name in modules
                else [owned[cost.name]]
            )
            counted.update(map(id, parameters))
    return sum(
        p.numel()
        for name, p in model.named_parameters()
        if id(p) not in counted and (scope is None or inside(name, scope))
    )


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
