"""Run a layer with some of its channels: no masks, and no copies where the
kept channels are the first ones.

A narrow network reads ``weight[:out, :in]`` of the widest one; see
:mod:`mmdmcp.ops.cut` for where the gradient goes.
"""

from collections.abc import Sequence

from torch import Tensor, nn

from .cut import Cut, cut_parameter
from .layout import Layout, Ranges, Selection
from .open_norm import open_group_norm

#: Layer types that can be narrowed. Transposed convolutions keep their
#: weights as [in, out, ...] and are left at full width.
CONVS = (nn.Conv1d, nn.Conv2d, nn.Conv3d)
BATCH_NORMS = (nn.modules.batchnorm._BatchNorm,)
NORMS = BATCH_NORMS + (nn.GroupNorm, nn.LayerNorm)
SLICEABLE = CONVS + NORMS + (nn.Linear,)
_STATISTICS = ('running_mean', 'running_var')
# What the layers call their numbers of inputs and outputs.
_SIZES = (
    (CONVS, ('in_channels', 'out_channels')),
    (nn.Linear, ('in_features', 'out_features')),
    (BATCH_NORMS, ('num_features',)),
    (nn.GroupNorm, ('num_channels',)),
    (nn.LayerNorm, ('normalized_shape',)),
)


def is_depthwise(module: nn.Module) -> bool:
    """Whether a layer filters each channel on its own."""
    return isinstance(module, CONVS) and (
        1 < module.groups == module.in_channels == module.out_channels
    )


class SlicedLayer:
    """Runs one layer at a chosen width, with its outputs scaled if asked.

    While the layer's own ``forward`` runs, its tensors are hidden behind
    sliced ones of the same names, so subclasses of the torch layers with a
    ``forward`` of their own (adaptive padding, SyncBN, ...) work unchanged.
    Its sizes (``in_channels``, ...) are those of the narrow layer until the
    next choice: what code computes from them is what a static network does.

    Args:
        name: Name of the layer in the model.
        module: A convolution, linear or normalisation layer.
        in_layout: Layout of its inputs; for a normalisation or a depthwise
            convolution the layout of its outputs.
        out_layout: Layout of its outputs.
    """

    def __init__(
        self, name: str, module: nn.Module, in_layout: Layout, out_layout: Layout
    ) -> None:
        self.name = name
        self.module = module
        self.in_layout = in_layout
        self.out_layout = out_layout
        self.groups = getattr(module, 'groups', 1)
        self.depthwise = is_depthwise(module)
        self._has_columns = not self.depthwise and isinstance(
            module, CONVS + (nn.Linear,)
        )
        self._sizes = next(
            names for kinds, names in _SIZES if isinstance(module, kinds)
        )
        self._cut: Cut | None = None
        self._scale: Tensor | None = None
        self._open_only = False

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
            selections: One selection a unit, in the order of the units.
        """
        rows, cols = partial_ranges(self.out_layout, selections), None
        if self._has_columns:
            cols = partial_ranges(self.in_layout, selections)
        self._resize(rows, cols)
        if cols is not None and self.groups > 1:
            # All groups keep the same inputs: the weight has one group's.
            size = self.in_layout.size // self.groups
            cols = tuple((a, min(b, size)) for a, b in cols if a < size)
        self._cut = None if rows is cols is None else Cut(rows, cols)
        self._statistics: dict[str, tuple[Tensor, Tensor]] = {}

    def _resize(self, rows: Ranges | None, cols: Ranges | None) -> None:
        """Set the layer's sizes to those of the kept ranges."""
        outputs = _count(rows, self.out_layout)
        sizes = self.module.__dict__  # past nn.Module's slow __setattr__
        if len(self._sizes) == 1:
            sizes[self._sizes[0]] = (
                (outputs,) if isinstance(self.module, nn.LayerNorm) else outputs
            )
            return
        inputs = outputs if self.depthwise else _count(cols, self.in_layout)
        sizes.update(zip(self._sizes, (inputs, outputs)))
        if self.depthwise:
            sizes['groups'] = outputs

    def scale(self, values: Sequence[Tensor] | None, open_only: bool = False) -> None:
        """Scale the outputs channel by channel; None stops scaling.

        ``s * (gamma * x + beta)`` is computed as ``(s * gamma) * x + s *
        beta``, which needs no extra pass over the feature map. The inputs
        of a depthwise convolution carry the scale already: its bias alone
        is multiplied.

        Args:
            values: One tensor ``[channels]`` a unit.
            open_only: A norm over channels leaves closed ones out of its
                statistics, as a network without them does.
        """
        self._open_only = (
            open_only
            and values is not None
            and isinstance(self.module, nn.GroupNorm)
            and self.module.num_groups == 1
        )
        self._scale = None if values is None else self.out_layout.spread(values)

    # ---- running -----------------------------------------------------

    def _tensors(self) -> dict[str, Tensor]:
        """The layer's tensors at the chosen width, scaled."""
        cut = self._cut
        found = {}
        for name, parameter in self.module._parameters.items():
            if parameter is not None:
                found[name] = (
                    parameter if cut is None else cut_parameter(parameter, cut)
                )
        if self._scale is not None:
            scale = self._kept_scale()
            for name, value in found.items():
                if name == 'bias' or not self.depthwise:
                    found[name] = value * scale.view((-1,) + (1,) * (value.dim() - 1))
        if cut is not None and cut.rows is not None:
            self._cut_statistics(found)
        return found

    def _cut_statistics(self, found: dict[str, Tensor]) -> None:
        """Running statistics at the chosen width.

        Views of them are kept until the next choice, or until the buffer
        is replaced (moving a model to a device does that).
        """
        for name in _STATISTICS:
            buffer = self.module._buffers.get(name)
            if buffer is None:
                continue
            source, part = self._statistics.get(name, (None, None))
            if source is not buffer or len(self._cut.rows) > 1:
                part = self._cut.take(buffer)
                self._statistics[name] = buffer, part
            found[name] = part

    def __call__(self, *args, **kwargs):
        module = self.module
        plain = type(module).forward
        if self._cut is self._scale is None:
            return plain(module, *args, **kwargs)
        if self._open_only:
            return open_group_norm(module, *args, self._scale)
        tensors = self._tensors()
        hidden = module.__dict__
        hidden.update(tensors)
        try:
            out = plain(module, *args, **kwargs)
        finally:
            for name in tensors:
                del hidden[name]
        cut = self._cut
        if cut is not None and cut.rows is not None and len(cut.rows) > 1:
            self._store_statistics(tensors)
        if self._scale is not None and module._parameters.get('weight') is None:
            trailing = 0 if isinstance(module, nn.LayerNorm) else out.dim() - 2
            out = out * self._kept_scale().view((-1,) + (1,) * trailing)
        return out

    def _kept_scale(self) -> Tensor:
        """Scale of the channels that are kept."""
        cut = self._cut
        return self._scale if cut is None else Cut(cut.rows, None).take(self._scale)

    def _store_statistics(self, tensors: dict[str, Tensor]) -> None:
        """Write running statistics back where the part was a copy."""
        for name in _STATISTICS:
            if name in tensors:
                start = 0
                for a, b in self._cut.rows:
                    self.module._buffers[name][a:b] = tensors[name][
                        start : start + b - a
                    ]
                    start += b - a


def _count(ranges: Ranges | None, layout: Layout) -> int:
    """Entries of the ranges; None stands for all of the layout."""
    return layout.size if ranges is None else sum(b - a for a, b in ranges)


def partial_ranges(layout: Layout, selections: Sequence[Selection]) -> Ranges | None:
    """Ranges that a layer keeps; None if it keeps everything."""
    ranges = layout.ranges(selections)
    return None if ranges == ((0, layout.size),) else ranges
