"""Part of a parameter, whose gradient goes where the part lies.

Autograd's own rule for slicing fills a full-size tensor with zeros for each
slice, which for ResNet-50 costs more than the arithmetic of a narrow
network on small images. Here the gradient of a matrix is added straight
into ``parameter.grad[rows, cols]``. Vectors and other small parameters are
left to autograd: filling them with zeros takes less time than calling
Python from its backward pass.
"""

from collections.abc import Iterator
from itertools import product
from math import prod

import torch
from torch import Tensor

from .layout import Ranges

# Entries up to which autograd is faster; measured, one thread.
_SMALL = 1 << 14
# Blocks up to which one by one is faster than by indices.
_FEW_BLOCKS = 16
_Index = tuple[slice, ...]


class WeightSlice:
    """What to keep of a parameter or buffer.

    Args:
        dims: Kept ranges of its first dimensions; None keeps all.
    """

    def __init__(self, *dims: Ranges | None) -> None:
        self.dims = dims
        #: Whether the first dimension alone is narrowed.
        self.rows_only = all(ranges is None for ranges in dims[1:])
        #: Whether it lies in many pieces: channels from all over a layer.
        self._scattered = prod(len(r) for r in dims if r is not None) > _FEW_BLOCKS
        self._by_device: dict[torch.device, list[Tensor | None]] = {}
        self._inner: WeightSlice | None = None
        #: Whether the part is a view.
        self.is_view = all(ranges is None or len(ranges) == 1 for ranges in dims)
        if self.is_view:
            # One indexing call instead of a narrow() a dimension: a search
            # makes hundreds of these slices a network.
            self._index = tuple(
                slice(None) if ranges is None else slice(*ranges[0]) for ranges in dims
            )

    def take(self, tensor: Tensor) -> Tensor:
        """The kept part: a view if it is one block, else a copy."""
        if self.is_view:
            return tensor[self._index]
        if self._scattered:
            for dim, indices in enumerate(self._indices(tensor.device)):
                if indices is not None:
                    tensor = tensor.index_select(dim, indices)
            return tensor
        for dim, ranges in enumerate(self.dims):
            tensor = _narrow(tensor, dim, ranges)
        return tensor

    def add(self, total: Tensor, piece: Tensor) -> None:
        """Add a part's values where it lies, in place."""
        if self._scattered:
            self._write(total, piece, add=True)
            return
        for whole, part in self._blocks(total):
            total[whole].add_(piece[part])

    def put(self, total: Tensor, piece: Tensor) -> None:
        """Write a part's values where it lies, in place."""
        if self._scattered:
            self._write(total, piece, add=False)
            return
        for whole, part in self._blocks(total):
            total[whole].copy_(piece[part])

    def _indices(self, device: torch.device) -> list[Tensor | None]:
        """Kept entries of each dimension; None where all are."""
        if device not in self._by_device:
            self._by_device[device] = [
                None
                if ranges is None
                else torch.cat([torch.arange(a, b, device=device) for a, b in ranges])
                for ranges in self.dims
            ]
        return self._by_device[device]

    def _write(self, total: Tensor, piece: Tensor, add: bool) -> None:
        """Add or write a scattered part, one dimension in the other."""
        chosen = [
            (dim, indices)
            for dim, indices in enumerate(self._indices(total.device))
            if indices is not None
        ]
        if len(chosen) > 1:
            dim, indices = chosen[0]
            if self._inner is None:
                rest = self.dims[dim + 1 :]
                self._inner = WeightSlice(*[None] * (dim + 1), *rest)
            part = total.index_select(dim, indices)
            (self._inner.add if add else self._inner.put)(part, piece)
            total.index_copy_(dim, indices, part)
            return
        dim, indices = chosen[0]
        (total.index_add_ if add else total.index_copy_)(dim, indices, piece)

    def _blocks(self, total: Tensor) -> Iterator[tuple[_Index, _Index]]:
        """Where each block lies in the tensor, and in its part."""
        if self.is_view:
            yield self._index, ()
            return
        for pairs in product(
            *(_pairs(r, total.size(dim)) for dim, r in enumerate(self.dims))
        ):
            yield tuple(zip(*pairs))


def slice_parameter(parameter: Tensor, kept: WeightSlice) -> Tensor:
    """The kept part of a parameter, differentiable.

    Args:
        parameter: A leaf of the graph.
        kept: What to keep.
    """
    if (
        not torch.is_grad_enabled()
        or parameter.dim() == 1
        or (kept.rows_only and parameter.numel() <= _SMALL)
    ):
        return kept.take(parameter)
    return _SliceMatrix.apply(parameter, kept)


class _SliceMatrix(torch.autograd.Function):
    @staticmethod
    def forward(ctx, parameter: Tensor, kept: WeightSlice) -> Tensor:
        ctx.parameter, ctx.kept = parameter, kept
        return kept.take(parameter.detach())

    @staticmethod
    def backward(ctx, grad: Tensor) -> tuple[None, None]:
        parameter = ctx.parameter
        if parameter.grad is None:
            parameter.grad = torch.zeros_like(parameter)
        ctx.kept.add(parameter.grad, grad)
        return None, None


def _narrow(tensor: Tensor, dim: int, ranges: Ranges | None) -> Tensor:
    if ranges is None:
        return tensor
    pieces = [tensor.narrow(dim, a, b - a) for a, b in ranges]
    return pieces[0] if len(pieces) == 1 else torch.cat(pieces, dim)


def _pairs(ranges: Ranges | None, size: int) -> list[tuple[slice, slice]]:
    """Each range of a dimension, and where it lies in the part."""
    found, start = [], 0
    for a, b in ((0, size),) if ranges is None else ranges:
        found.append((slice(a, b), slice(start, start + b - a)))
        start += b - a
    return found
