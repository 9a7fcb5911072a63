"""What of a network is timed by itself: a layer with what runs fused to it.

A block is a convolution, linear layer or norm, together with the norms,
activations and poolings that are called on its output right after it.
Runtimes fuse most of those; PyTorch, which doesn't, runs them one after the
other, and so they are timed.
"""

import copy
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from ..cost import LayerCost
from ..layers import kind_of
from ..ops import Layout
from ..subnet import LayerWidth
from ..subnet.layers import shrink


@dataclass
class Block:
    """Layers of one shape, and the grid of widths to time them at.

    Attributes:
        what: In words; blocks of the same words have the same shape.
        layers: Names of the layers.
        head: One of them.
        followers: What is called on its output.
        shapes: Shape of its input at each of its calls, of one sample.
        macs: Multiply-accumulates for one input and one output.
        ins: Input channels, ascending.
        outs: Output channels.
    """

    what: str
    layers: list[str]
    head: nn.Module
    followers: list[nn.Module]
    shapes: list[tuple[int, ...]]
    macs: int
    ins: tuple[int, ...]
    outs: tuple[int, ...]

    def points(self) -> Iterator[tuple[int, int]]:
        """Inputs and outputs of every point of the grid, row by row."""
        return ((i, o) for i in self.ins for o in self.outs)

    def narrow(
        self, ins: int, outs: int, batch: int
    ) -> tuple[list[nn.Module], list[Tensor]]:
        """The block with so many channels, and inputs for it.

        Args:
            ins: Input channels, of the grid.
            outs: Output channels, of the grid.
            batch: Images a run.

        Returns:
            Modules, to be called one after the other, and an input for each
            call of the block.
        """
        kind: Any = kind_of(self.head)
        if not kind.makes_channels:  # the same go in, m outputs each
            full_in, full_out = (kind.size(self.head, side) for side in ('in', 'out'))
            ins = outs * full_in // full_out
        modules = [_narrow(self.head, ins, outs)]
        modules += [_narrow(module, outs, outs) for module in self.followers]
        inputs = []
        for shape in self.shapes:
            sizes = list(shape)
            sizes[kind.channel_dim(self.head, shape)] = ins
            sizes[0] *= batch
            inputs.append(torch.rand(sizes))
        return modules, inputs


def _narrow(module: nn.Module, ins: int, outs: int) -> nn.Module:
    """A module of that width, which shares what it can with the given one."""
    kind = kind_of(module)
    module = copy.copy(module)
    if kind is None:
        return module
    module._parameters = dict(module._parameters)
    module._buffers = dict(module._buffers)
    groups = kind.groups(module)
    if not kind.has_inputs:
        kept = _kept(outs, kind.size(module, 'out'), groups)
        row = LayerWidth(out=outs, out_kept=kept)
    elif kind.groups_follow:
        row = LayerWidth(ins, outs, ins)
    else:
        row = LayerWidth(
            ins,
            outs,
            in_kept=_kept(ins, kind.size(module, 'in'), groups),
            out_kept=_kept(outs, kind.size(module, 'out'), groups),
        )
    shrink(module, row).apply()
    return module


def _kept(count: int, size: int, groups: int) -> tuple[int, ...]:
    """The first channels of every group."""
    each = size // groups
    return tuple(g * each + i for g in range(groups) for i in range(count // groups))


# ---- finding them ----------------------------------------------------


@dataclass
class _Call:
    """A layer and what was called on its output."""

    name: str
    head: nn.Module
    shapes: list[tuple[int, ...]] = field(default_factory=list)
    followers: list[nn.Module] = field(default_factory=list)


def find_blocks(
    model: nn.Module,
    run: Callable[[], object],
    costs: Sequence[LayerCost],
    choices: Sequence[Sequence[int]],
    points: int,
) -> list[Block]:
    """The distinct blocks of a model.

    Args:
        model: The full model, in eval mode.
        run: Runs one sample through it.
        costs: What its layers contribute to its cost, with their layouts.
        choices: Widths that each unit may take, ascending.
        points: Points of a grid's side, at most.
    """
    layers: dict[str, LayerCost] = {}
    for cost in costs:
        layers.setdefault(cost.name, cost)
    blocks: dict[tuple, Block] = {}
    for call in _calls(model, run):
        if call.name not in layers:
            continue
        cost = layers[call.name]
        ins, outs = (
            grid_axis(layout, choices, points)
            for layout in (cost.in_layout, cost.out_layout)
        )
        what = _words(call)
        key = (what, ins, outs, cost.macs)
        if key not in blocks:
            blocks[key] = Block(
                what, [], call.head, call.followers, call.shapes, cost.macs, ins, outs
            )
        blocks[key].layers.append(call.name)
    return list(blocks.values())


def grid_axis(
    layout: Layout, choices: Sequence[Sequence[int]], points: int
) -> tuple[int, ...]:
    """Numbers of channels of a layout at which a layer is timed.

    All units go from their narrowest to their full width together, in so
    many steps; a unit of no more choices is met at each of them.

    Args:
        layout: The layer's inputs or outputs.
        choices: Widths that each unit may take, ascending.
        points: Number of steps, at least two.
    """
    counts = set()
    for step in range(points):
        ratio = step / (points - 1)
        widths = [widths[round(ratio * (len(widths) - 1))] for widths in choices]
        counts.add(layout.count(widths))
    return tuple(sorted(counts))


@torch.no_grad()
def _calls(model: nn.Module, run: Callable[[], object]) -> list[_Call]:
    """Every layer that runs, with what follows it."""
    found: dict[nn.Module, _Call] = {}
    # By the tensor that it gave last; kept, so that no other one gets its id.
    ends: dict[int, tuple[_Call, Tensor]] = {}
    handles = []

    def note(name: str):

        def hook(module, args, output):
            x = args[0] if len(args) == 1 else None
            if not isinstance(x, Tensor) or not isinstance(output, Tensor):
                return
            call, _ = ends.get(id(x), (None, None))
            if call is not None and _follows(module, x, output):
                idle = output is x and not getattr(module, 'inplace', False)
                # Of a shared layer, it is the same each time.
                if not idle and len(call.shapes) == 1:
                    call.followers.append(module)
            elif kind_of(module) is not None:
                call = found.setdefault(module, _Call(name, module))
                call.shapes.append(tuple(x.shape))
            else:
                return
            ends[id(output)] = (call, output)

        return hook

    for name, module in model.named_modules():
        if not list(module.children()):
            handles.append(module.register_forward_hook(note(name)))
    try:
        run()
    finally:
        for handle in handles:
            handle.remove()
    return list(found.values())


def _follows(module: nn.Module, x: Tensor, output: Tensor) -> bool:
    """Whether it belongs to what made its input: a norm, an activation, a
    pooling."""
    kind = kind_of(module)
    if kind is not None:
        return not kind.makes_channels and not kind.kernel(module)
    return x.shape[:2] == output.shape[:2] and not list(module.parameters())


def _words(call: _Call) -> str:
    """A block in words, such as ``Conv2d(3, 8, kernel_size=(1, 1)), ReLU at 8x8``."""
    followers = ''.join(f', {type(module).__name__}' for module in call.followers)
    sizes = ', '.join('x'.join(map(str, shape[1:])) for shape in call.shapes)
    head = f'{type(call.head).__name__}({call.head.extra_repr()})'
    return f'{head}{followers} of {sizes}'[:500]
