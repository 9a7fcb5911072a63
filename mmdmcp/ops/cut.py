"""Part of a parameter, whose gradient goes where the part lies.

Autograd's own rule for slicing fills a full-size tensor with zeros for each
slice, which for ResNet-50 costs more than the arithmetic of a narrow
network on small images. Here the gradient of a matrix is added straight
into ``parameter.grad[rows, cols]``. Vectors and other small parameters are
left to autograd: filling them with zeros takes less time than calling
Python from its backward pass.
"""

import torch
from torch import Tensor

from .layout import Ranges

# Entries up to which autograd is faster; measured, one thread.
_SMALL = 1 << 14


class Cut:
    """Rows and columns to keep of a layer's parameters.

    Args:
        rows: Kept ranges of the first dimension; None keeps all.
        cols: Kept ranges of the second one, of parameters that have it.
    """

    def __init__(self, rows: Ranges | None, cols: Ranges | None) -> None:
        self.rows, self.cols = rows, cols
        self._single = all(r is None or len(r) == 1 for r in (rows, cols))
        if self._single:
            # One indexing call instead of a narrow() a dimension: a search
            # makes hundreds of these cuts a network.
            row, col = (
                slice(None) if r is None else slice(*r[0]) for r in (rows, cols)
            )
            self._row, self._both = row, (row, col)

    def take(self, tensor: Tensor) -> Tensor:
        """The kept part: a view if it is one block, else a copy."""
        if self._single:
            return tensor[self._both if tensor.dim() > 1 else self._row]
        tensor = _narrow(tensor, 0, self.rows)
        return _narrow(tensor, 1, self.cols) if tensor.dim() > 1 else tensor

    def add(self, total: Tensor, piece: Tensor) -> None:
        """Add a part's values where it lies, in place."""
        if self._single:
            self.take(total).add_(piece)
            return
        row = 0
        for a, b in self.rows or ((0, total.size(0)),):
            part, source = total[a:b], piece[row : row + b - a]
            row += b - a
            if self.cols is None or total.dim() == 1:
                part.add_(source)
                continue
            col = 0
            for c, d in self.cols:
                part[:, c:d].add_(source[:, col : col + d - c])
                col += d - c


def cut_parameter(parameter: Tensor, cut: Cut) -> Tensor:
    """The kept part of a parameter, differentiable.

    Args:
        parameter: A leaf of the graph.
        cut: What to keep.
    """
    if (
        not torch.is_grad_enabled()
        or parameter.dim() == 1
        or (cut.cols is None and parameter.numel() <= _SMALL)
    ):
        return cut.take(parameter)
    return _CutMatrix.apply(parameter, cut)


class _CutMatrix(torch.autograd.Function):
    @staticmethod
    def forward(ctx, parameter: Tensor, cut: Cut) -> Tensor:
        ctx.parameter, ctx.cut = parameter, cut
        return cut.take(parameter.detach())

    @staticmethod
    def backward(ctx, grad: Tensor) -> tuple[None, None]:
        parameter = ctx.parameter
        if parameter.grad is None:
            parameter.grad = torch.zeros_like(parameter)
        ctx.cut.add(parameter.grad, grad)
        return None, None


def _narrow(tensor: Tensor, dim: int, ranges: Ranges | None) -> Tensor:
    if ranges is None:
        return tensor
    pieces = [tensor.narrow(dim, a, b - a) for a, b in ranges]
    return pieces[0] if len(pieces) == 1 else torch.cat(pieces, dim)
