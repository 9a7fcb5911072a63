"""A profile becomes one more table of a network's cost."""

from collections.abc import Sequence

from ..cost import CostModel, LayerCost
from ..errors import ProfileError
from .profile import BlockTimes, Profile, Rest
from .table import LatencyTable


def attach(
    cost: CostModel, num_units: int, input_shape: Sequence[int], profile: Profile
) -> None:
    """Let a network's cost include its latency, as a profile predicts it.

    Args:
        cost: What the network costs.
        num_units: Its number of units.
        input_shape: Size that costs are counted at.
        profile: Measured times.

    Raises:
        ProfileError: If it is of another network or input size, or not
            complete.
    """
    shape = profile.conditions.input_shape
    if tuple(input_shape) != shape:
        raise ProfileError(
            f'{profile.path} was measured at {list(shape)}, but input_shape is '
            f'{list(input_shape)}: measure it at that size, or set input_shape'
        )
    rest = profile.rest
    if rest is None:
        raise ProfileError(
            f'{profile.path} has no whole network yet: run mmdmcp profile again with '
            'the same -o, it goes on'
        )
    cost.tables['latency_us'] = latency_table(cost, num_units, profile, rest)


def latency_table(
    cost: CostModel, num_units: int, profile: Profile, rest: Rest
) -> LatencyTable:
    """The table of a network's latency.

    Args:
        cost: What the network costs.
        num_units: Its number of units.
        profile: Measured times.
        rest: From the sum of layers to the network.

    Raises:
        ProfileError: If a layer is missing, or has another shape.
    """
    blocks = {name: block for block in profile.blocks for name in block.layers}
    layers: dict[str, LayerCost] = {}
    for layer in cost.layers:  # a layer's inputs may have an entry of their own
        layers.setdefault(layer.name, layer)
    for name in blocks:
        if name not in layers:
            raise _other(profile, f'this network has no layer {name}')
    for name, layer in layers.items():
        if name in blocks:
            _require_same_shape(profile, layer, blocks[name])
        elif layer.macs:
            raise _other(
                profile,
                f'{name} was not measured (if time ran out, run mmdmcp profile again '
                'with the same -o)',
            )
    rows = [(layers[n].in_layout, layers[n].out_layout, b) for n, b in blocks.items()]
    return LatencyTable(rows, num_units, rest)


def _require_same_shape(profile: Profile, layer: LayerCost, block: BlockTimes) -> None:
    ours = (layer.in_layout.size, layer.out_layout.size, layer.macs)
    theirs = (block.ins[-1], block.outs[-1], block.macs)
    if ours != theirs:
        raise _other(
            profile,
            f'{layer.name} has {ours[0]} inputs, {ours[1]} outputs and {ours[2]} '
            f'multiply-accumulates for one of each, there {theirs[0]}, {theirs[1]} '
            f'and {theirs[2]}',
        )


def _other(profile: Profile, why: str) -> ProfileError:
    return ProfileError(
        f'{profile.path} is of another network, a {profile.conditions.model}: {why}. '
        'Measure this one: mmdmcp profile CONFIG -o LATENCY.yaml'
    )
