"""The trainable gate: a 0/1 choice with a gradient. Pure torch.

A gate w is open where w > 0. Its value is

    f(w) = b(w) + s_M(w) * g(w)
    b(w) = 1 if w > 0 else 0
    s_M(w) = (M * w - floor(M * w)) / M,      0 <= s_M < 1 / M

(Kim et al., "Plug-in, Trainable Gate for Streamlining Arbitrary Neural
Networks", AAAI 2020; arXiv 1904.10921). The saw-tooth s_M is too small to
be seen in the value, but its slope is 1: f'(w) = g(w) + s_M(w) * g'(w), so
the gradient has the shape g that was chosen. As M grows f becomes exactly 0
or 1, with the gradient g: that limit is what is used unless M is given.
"""
from typing import Callable, Dict, Optional

import torch
from torch import Tensor

#: Gradient shapes g(w). ``constant`` pulls at every gate alike; the others
#: leave gates alone that are far from choosing.
SHAPES: Dict[str, Callable[[Tensor], Tensor]] = {
    'constant': torch.ones_like,
    'triangle': lambda w: (1 - w.abs()).clamp(min=0),
    'sigmoid': lambda w: 4 * w.sigmoid() * (-w).sigmoid(),
}


def gate(w: Tensor,
         shape: str = 'constant',
         magnification: Optional[float] = None) -> Tensor:
    """Open or closed, with the gradient of the shape.

    Args:
        w: Gates, any shape.
        shape: One of ``SHAPES``.
        magnification: M. None is the limit of large M: exactly 0 or 1.

    Returns:
        Tensor of the shape and dtype of ``w``.

    Example:
        >>> w = torch.tensor([-0.3, 0.2], requires_grad=True)
        >>> f = gate(w)
        >>> f.sum().backward()
        >>> f.tolist(), w.grad.tolist()
        ([0.0, 1.0], [1.0, 1.0])
    """
    if magnification is None:
        return _Gate.apply(w, shape)
    return literal_gate(w, shape, magnification)


def literal_gate(w: Tensor,
                 shape: str = 'constant',
                 magnification: float = 1e5) -> Tensor:
    """f(w) as it is written, differentiated by autograd.

    Half precision has no room for M * w nor for 1 / M beside 1: it is
    computed, and returned, in float32 then.
    """
    if w.dtype in (torch.float16, torch.bfloat16):
        w = w.float()
    saw = (magnification * w - (magnification * w).floor()) / magnification
    return (w > 0).to(w.dtype) + saw * SHAPES[shape](w)


class _Gate(torch.autograd.Function):
    """The limit of large M."""

    @staticmethod
    def forward(ctx, w: Tensor, shape: str) -> Tensor:
        ctx.save_for_backward(w)
        ctx.shape = shape
        return (w > 0).to(w.dtype)

    @staticmethod
    def backward(ctx, grad: Tensor):
        w, = ctx.saved_tensors
        return grad * SHAPES[ctx.shape](w), None
