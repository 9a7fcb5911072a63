"""Run a layer with some of its channels: no masks, and no copies where the
kept channels are the first ones.

A narrow network reads ``weight[:out, :in]`` of the widest one; see
:mod:`mmdmcp.ops.weight_slice` for where the gradient goes. Which dimension
of which tensor that is, :mod:`mmdmcp.layers` says.
"""

from collections.abc import Callable, Sequence

from torch import Tensor, nn

from ..layers import known_kind
from .layout import Layout, Ranges, Selection
from .weight_slice import WeightSlice, slice_parameter

# Sizes by attribute, and slices: of the outputs, and of tensors by name.
_Plan = tuple[dict[str, object], WeightSlice | None, dict[str, WeightSlice]]
_MOST_PLANS = 256


class SlicedLayer:
    """Runs one layer at a chosen width, with its outputs scaled if asked.

    While the layer's own ``forward`` runs, its tensors are hidden behind
    sliced ones of the same names, so subclasses of the torch layers with a
    ``forward`` of their own (adaptive padding, SyncBN, ...) work unchanged.
    Its sizes (``in_channels``, ...) are those of the narrow layer until the
    next choice: what code computes from them is what a static network does.

    Args:
        name: Name of the layer in the model.
        module: A layer of a kind that :mod:`mmdmcp.layers` knows.
        in_layout: Layout of its inputs; for a layer that does not tell them
            from its outputs, as a normalisation, the layout of those.
        out_layout: Layout of its outputs.

    Attributes:
        kind (LayerKind): What is known of its kind.
    """

    def __init__(
        self, name: str, module: nn.Module, in_layout: Layout, out_layout: Layout
    ) -> None:
        self.name = name
        self.module = module
        self.kind = known_kind(module)
        self.in_layout = in_layout
        self.out_layout = out_layout
        self.groups = self.kind.groups(module)
        self._one_layout = in_layout == out_layout
        self._plans: dict[tuple, _Plan] = {}  # by what was kept before
        self._slices: dict[str, WeightSlice] = {}
        self._kept: WeightSlice | None = None
        self._narrow = False
        self._scale: Tensor | None = None
        self._open_forward: Callable[[nn.Module, Tensor, Tensor], Tensor] | None = None

    def __getstate__(self) -> dict:
        """A copy of a model plans anew: copying plans would take longer."""
        return dict(vars(self), _plans={})

    def attach(self, model: nn.Module) -> None:
        """Run the model's layer of this name from now on."""
        self.module = model.get_submodule(self.name)
        self.module.forward = self

    def detach(self, model: nn.Module) -> None:
        """Let the model's layer of this name run as it did."""
        del model.get_submodule(self.name).forward

    # ---- what to run -------------------------------------------------

    def select(self, selections: Sequence[Selection]) -> None:
        """Choose the channels to run with.

        Args:
            selections: One selection per unit, in the order of the units.
        """
        outs = partial_ranges(self.out_layout, selections)
        ins = outs
        if not self._one_layout:
            ins = partial_ranges(self.in_layout, selections)
        key = ins, outs
        if key not in self._plans:
            if len(self._plans) == _MOST_PLANS:
                self._plans.clear()
            self._plans[key] = self._plan(ins, outs)
        sizes, self._kept, self._slices = self._plans[key]
        self.module.__dict__.update(sizes)  # past nn.Module's slow __setattr__
        self._narrow = ins is not None or outs is not None
        self._buffers: dict[str, tuple[Tensor, Tensor]] = {}

    def _plan(self, ins: Ranges | None, outs: Ranges | None) -> _Plan:
        """The layer's sizes, and what to keep of its outputs and tensors."""
        kind = self.kind
        inputs = _count(ins, self.in_layout)
        sizes = kind.new_sizes(
            inputs,
            _count(outs, self.out_layout),
            inputs if kind.groups_follow else self.groups,
        )
        kept: dict[str | None, Ranges | None] = {'in': ins, 'out': outs}
        if not kind.groups_follow:
            kept['in/groups'] = self._of_one_group(ins, self.in_layout)
            kept['out/groups'] = self._of_one_group(outs, self.out_layout)
        slices = {}
        for name, dims in kind.tensors.items():
            ranges = [kept.get(dim) for dim in dims]
            if any(r is not None for r in ranges):
                slices[name] = WeightSlice(*ranges)
        return sizes, None if outs is None else WeightSlice(outs), slices

    def _of_one_group(self, ranges: Ranges | None, layout: Layout) -> Ranges | None:
        """What each group keeps: all keep the same."""
        if ranges is None or self.groups == 1:
            return ranges
        size = layout.size // self.groups
        return tuple((a, min(b, size)) for a, b in ranges if a < size)

    def scale(self, values: Sequence[Tensor] | None, open_only: bool = False) -> None:
        """Scale the outputs channel by channel; None stops scaling.

        ``s * (gamma * x + beta)`` is computed as ``(s * gamma) * x + s *
        beta``, which needs no extra pass over the feature map.

        Args:
            values: One tensor ``[channels]`` per unit.
            open_only: A norm over channels leaves closed ones out of its
                statistics, as a network without them does.
        """
        self._open_forward = None
        if open_only and values is not None:
            self._open_forward = self.kind.open_forward(self.module)
        self._scale = None if values is None else self.out_layout.spread(values)

    # ---- running -----------------------------------------------------

    def __call__(self, *args, **kwargs):
        module, scale = self.module, self._scale
        plain = type(module).forward
        if scale is None and not self._narrow:
            return plain(module, *args, **kwargs)
        if self._open_forward is not None and scale is not None:
            return self._open_forward(module, args[0], scale)
        tensors = self._parameters()
        if scale is not None:
            scale = scale if self._kept is None else self._kept.take(scale)
            if self.kind.fold_scale(tensors, scale):
                scale = None  # nothing is left to be done to the outputs
        buffers = self._narrow_buffers()
        hidden = module.__dict__
        hidden.update(tensors)
        hidden.update(buffers)
        try:
            out = plain(module, *args, **kwargs)
        finally:
            for name in (*tensors, *buffers):
                del hidden[name]
        for name, part in buffers.items():
            if not self._slices[name].is_view:
                self._slices[name].put(self._buffers[name][0], part)
        if scale is None:
            return out
        dim = self.kind.channel_dim(module, out.shape) % out.dim()
        return out * scale.view((-1,) + (1,) * (out.dim() - 1 - dim))

    def _parameters(self) -> dict[str, Tensor]:
        """The layer's parameters at the chosen width."""
        found = {}
        for name, parameter in self.module._parameters.items():
            if parameter is not None:
                kept = self._slices.get(name)
                found[name] = (
                    parameter if kept is None else slice_parameter(parameter, kept)
                )
        return found

    def _narrow_buffers(self) -> dict[str, Tensor]:
        """Running statistics, and what else it keeps, at the chosen width.

        Views of them are kept until the next choice, or until the buffer
        is replaced (moving a model to a device does that).
        """
        found = {}
        for name, buffer in self.module._buffers.items():
            kept = self._slices.get(name)
            if kept is None or buffer is None:
                continue
            known = self._buffers.get(name)
            if known is None or known[0] is not buffer or not kept.is_view:
                known = self._buffers[name] = buffer, kept.take(buffer)
            found[name] = known[1]
        return found


def _count(ranges: Ranges | None, layout: Layout) -> int:
    """Entries of the ranges; None stands for all of the layout."""
    return layout.size if ranges is None else sum(b - a for a, b in ranges)


def partial_ranges(layout: Layout, selections: Sequence[Selection]) -> Ranges | None:
    """Ranges that a layer keeps; None if it keeps everything."""
    ranges = layout.ranges(selections)
    return None if ranges == ((0, layout.size),) else ranges
