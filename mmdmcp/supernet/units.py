"""From the analyzer's groups of channels to units that can be pruned."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from torch import nn

from ..channels.groups import InOut, Trace
from ..layers import kind_of
from ..ops import Layout, Segment, SlicedLayer, slice_layer
from .gate_sites import GateSites


@dataclass(frozen=True)
class Unit:
    """Layers that must keep the same channels.

    Attributes:
        name: Name of its first layer, e.g. ``backbone.layer1.0.conv1``; of
            another of its layers where two units begin with the same.
        num_channels: Channels of the full network.
    """

    name: str
    num_channels: int


def layer_layouts(model: nn.Module, trace: Trace) -> dict[str, InOut]:
    """Input and output layouts of every layer, in groups of the trace.

    Layers that the trace did not meet are fixed. Bare parameters with
    channels come last, under their full names.
    """
    layouts: dict[str, InOut] = {}
    for name, module in model.named_modules():
        kind = kind_of(module)
        if kind is not None:
            layouts[name] = trace.layouts.get(name) or (
                Layout.fixed(kind.size(module, 'in')),
                Layout.fixed(kind.size(module, 'out')),
            )
    bare = {n: both for n, both in trace.layouts.items() if n not in layouts}
    return {**layouts, **bare}


def producers(model: nn.Module, layouts: dict[str, InOut]) -> dict[int, str]:
    """The first layer of each group that makes its channels.

    A depthwise convolution or a normalisation passes channels on; a group
    without a maker (the model's input) is left out. A convolution that is
    added to a concatenation makes the channels of several groups: if it is
    the first of more than one, each of them takes another of its makers,
    one that makes nothing else if there is one, and is left out if none is
    free.
    """
    makers: dict[int, list[str]] = {}
    modules = dict(model.named_modules())
    for name, (_, outputs) in layouts.items():
        kind = kind_of(modules.get(name))
        if kind is not None and kind.makes_channels:
            for group in outputs.units:
                makers.setdefault(group, []).append(name)
    begins = Counter(names[0] for names in makers.values())
    taken = {name for name, groups in begins.items() if groups == 1}
    first: dict[int, str] = {}
    for group, names in makers.items():
        if begins[names[0]] > 1:
            names = sorted(
                (name for name in names if name not in taken),
                key=lambda name: len(layouts[name][1].units),
            )
        if names:
            first[group] = names[0]
            taken.add(names[0])
    return first


def renumber(layout: Layout, numbers: dict[int, int]) -> Layout:
    """Replace groups by units; groups that are no unit become fixed."""
    return Layout(
        [
            Segment(s.start, s.stop, numbers[s.unit], s.expand)
            if s.unit in numbers
            else Segment(s.start, s.stop)
            for s in layout.segments
        ]
    )


def sliced_layers(
    model: nn.Module, layouts: dict[str, InOut], numbers: dict[int, int]
) -> list[Any]:
    """The layers whose shape depends on some unit."""
    layers, modules = [], dict(model.named_modules())
    for name, both in layouts.items():
        inputs, outputs = (renumber(layout, numbers) for layout in both)
        if inputs.units or outputs.units:
            layers.append(slice_layer(modules, name, inputs, outputs))
    return layers


def scaled_layers(layers: Sequence[SlicedLayer], sites: GateSites) -> list[SlicedLayer]:
    """The layers whose outputs carry a unit's marginals or gates."""
    return [
        layer
        for layer in layers
        if layer.out_layout.units and layer.kind.scalable and layer.name in sites
    ]
