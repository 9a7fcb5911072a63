"""Run a layer with some of its channels: views, no masks, no copies.

A narrow network reads ``weight[:out, :in]`` of the widest one. Two things
make that as cheap as a network that was built narrow:

* where the kept channels are the first ones, the slice is a view;
* the gradient of a slice is added straight into ``parameter.grad[:out,
  :in]``. Autograd's own rule for slicing fills a full-size tensor with
  zeros for each slice, which for ResNet-50 costs more than the arithmetic
  of a narrow network on small images.
"""
from typing import Dict, Optional, Sequence, Tuple

import torch
from torch import Tensor, nn

from .layout import Layout, Ranges, Selection
from .open_norm import open_group_norm

#: Layer types that can be narrowed. Transposed convolutions keep their
#: weights as [in, out, ...] and are left at full width.
CONVS = (nn.Conv1d, nn.Conv2d, nn.Conv3d)
BATCH_NORMS = (nn.modules.batchnorm._BatchNorm, )
NORMS = BATCH_NORMS + (nn.GroupNorm, nn.LayerNorm)
SLICEABLE = CONVS + NORMS + (nn.Linear, )


def is_depthwise(module: nn.Module) -> bool:
    """Whether a layer filters each channel on its own."""
    return isinstance(module, CONVS) and (
        1 < module.groups == module.in_channels == module.out_channels)


def narrow(tensor: Tensor, dim: int, ranges: Optional[Ranges]) -> Tensor:
    """Keep ``ranges`` of one dimension; None keeps all.

    A view if there is a single range.
    """
    if ranges is None:
        return tensor
    pieces = [tensor.narrow(dim, a, b - a) for a, b in ranges]
    return pieces[0] if len(pieces) == 1 else torch.cat(pieces, dim)


class Slice(torch.autograd.Function):
    """``parameter[rows, cols]`` whose gradient goes into ``parameter.grad``.
    """

    @staticmethod
    def forward(ctx, parameter: Tensor, rows: Optional[Ranges],
                cols: Optional[Ranges]) -> Tensor:
        ctx.parameter, ctx.rows, ctx.cols = parameter, rows, cols
        return narrow(narrow(parameter.detach(), 0, rows), 1, cols)

    @staticmethod
    def backward(ctx, grad: Tensor) -> Tuple[None, None, None]:
        parameter = ctx.parameter
        if parameter.grad is None:
            parameter.grad = torch.zeros_like(parameter)
        row = 0
        for a, b in ctx.rows or ((0, parameter.size(0)), ):
            total = parameter.grad.narrow(0, a, b - a)
            piece = grad.narrow(0, row, b - a)
            row += b - a
            if ctx.cols is None:
                total.add_(piece)
                continue
            col = 0
            for c, d in ctx.cols:
                total.narrow(1, c, d - c).add_(piece.narrow(1, col, d - c))
                col += d - c
        return None, None, None


class SlicedLayer:
    """Runs one layer at a chosen width, with its outputs scaled if asked.

    While the layer's own ``forward`` runs, its tensors are hidden behind
    sliced ones of the same names, so subclasses of the torch layers with a
    ``forward`` of their own (adaptive padding, SyncBN, ...) work unchanged.

    Args:
        name: Name of the layer in the model.
        module: A convolution, linear or normalisation layer.
        in_layout: Layout of its inputs; for a normalisation or a depthwise
            convolution the layout of its outputs.
        out_layout: Layout of its outputs.
    """

    def __init__(self, name: str, module: nn.Module, in_layout: Layout,
                 out_layout: Layout) -> None:
        self.name = name
        self.module = module
        self.in_layout = in_layout
        self.out_layout = out_layout
        self.groups = getattr(module, 'groups', 1)
        self.depthwise = is_depthwise(module)
        self._rows: Optional[Ranges] = None
        self._cols: Optional[Ranges] = None
        self._scale: Optional[Tensor] = None
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
        self._rows = partial_ranges(self.out_layout, selections)
        cols = None
        if isinstance(self.module, CONVS + (nn.Linear, )) and \
                not self.depthwise:
            cols = partial_ranges(self.in_layout, selections)
        if cols is not None and self.groups > 1:
            # All groups keep the same inputs: the weight has one group's.
            size = self.in_layout.size // self.groups
            cols = tuple((a, min(b, size)) for a, b in cols if a < size)
        self._cols = cols
        self._set_sizes(selections)

    def _set_sizes(self, selections: Sequence[Selection]) -> None:
        """Set the sizes that the layer's ``forward`` reads."""
        module, out = self.module, self.out_layout.count(selections)
        if isinstance(module, CONVS):
            if self.depthwise:
                module.groups = out
        elif isinstance(module, nn.GroupNorm):
            module.num_channels = out
        elif isinstance(module, nn.LayerNorm):
            module.normalized_shape = (out, )

    def scale(self,
              values: Optional[Sequence[Tensor]],
              open_only: bool = False) -> None:
        """Scale the outputs channel by channel; None stops scaling.

        ``s * (gamma * x + beta)`` is computed as ``(s * gamma) * x + s *
        beta``, which needs no extra pass over the feature map.

        Args:
            values: One tensor ``[channels]`` a unit.
            open_only: A norm over channels leaves closed ones out of its
                statistics, as a network without them does.
        """
        self._open_only = open_only and values is not None and isinstance(
            self.module, nn.GroupNorm) and self.module.num_groups == 1
        self._scale = None if values is None else \
            self.out_layout.spread(values)

    # ---- running -----------------------------------------------------

    @property
    def tensors(self) -> Dict[str, Tensor]:
        """The layer's tensors at the chosen width."""
        module, rows = self.module, self._rows
        scale = self._scale
        if scale is not None:
            scale = narrow(scale, 0, rows)
        found = {}
        for name, parameter in module._parameters.items():
            if parameter is None:
                continue
            cols = self._cols if parameter.dim() > 1 else None
            value = parameter
            if rows is not None or cols is not None:
                value = Slice.apply(parameter, rows, cols)
            if scale is not None:
                value = value * scale.view((-1, ) + (1, ) * (value.dim() - 1))
            found[name] = value
        for name in ('running_mean', 'running_var'):
            buffer = module._buffers.get(name)
            if buffer is not None and rows is not None:
                found[name] = narrow(buffer, 0, rows)
        return found

    def __call__(self, *args, **kwargs):
        module = self.module
        plain = type(module).forward
        if self._rows is self._cols is self._scale is None:
            return plain(module, *args, **kwargs)
        if self._open_only:
            return open_group_norm(module, *args, self._scale)
        tensors = self.tensors
        module.__dict__.update(tensors)
        try:
            out = plain(module, *args, **kwargs)
        finally:
            for name in tensors:
                del module.__dict__[name]
        if self._rows is not None and len(self._rows) > 1:
            self._store_statistics(tensors)
        if self._scale is not None and module._parameters.get('weight') is None:
            scale = narrow(self._scale, 0, self._rows)
            trailing = 0 if isinstance(module, nn.LayerNorm) else out.dim() - 2
            out = out * scale.view((-1, ) + (1, ) * trailing)
        return out

    def _store_statistics(self, tensors: Dict[str, Tensor]) -> None:
        """Write running statistics back where the slice was a copy."""
        for name in ('running_mean', 'running_var'):
            if name in tensors:
                start = 0
                for a, b in self._rows:
                    self.module._buffers[name][a:b] = \
                        tensors[name][start:start + b - a]
                    start += b - a


def partial_ranges(layout: Layout, selections: Sequence[Selection]):
    """Ranges that a layer keeps; None if it keeps everything."""
    ranges = layout.ranges(selections)
    return None if ranges == ((0, layout.size), ) else ranges
