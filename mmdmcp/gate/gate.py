"""The trainable gate: a 0/1 choice with a gradient. Pure torch.

A gate w is open where w > 0. Its value is

    f(w) = b(w) + s_M(w) * g(w)
    b(w) = 1 if w > 0 else 0
    s_M(w) = (M * w - floor(M * w)) / M,      0 <= s_M < 1 / M

(Kim et al., "Plug-in, Trainable Gate for Streamlining Arbitrary Neural
Networks", AAAI 2020; arXiv 1904.10921). The saw-tooth s_M is too small to
matter in the value, but its slope is 1: f'(w) = g(w) + s_M(w) * g'(w), so
the gradient has the shape g that was chosen.

:func:`gate` is f with the tooth replaced by its mean, 1 / (2 M), and f' by
g; both are within 1 / M of what f gives as it is written. The difference
matters in one place. A closed channel must not be exactly zero while gates
train: behind it may be a ReLU, whose gradient at zero is zero, and the loss
could never ask for the channel back. The tooth is zero for some w, its mean
for none.
"""

from collections.abc import Callable

import torch
from torch import Tensor

#: Gradient shapes g(w). ``constant`` pulls at every gate alike; the others
#: leave alone the gates that are far from opening or closing.
SHAPES: dict[str, Callable[[Tensor], Tensor]] = {
    'constant': torch.ones_like,
    'triangle': lambda w: (1 - w.abs()).clamp(min=0),
    'sigmoid': lambda w: 4 * w.sigmoid() * (-w).sigmoid(),
}


def gate(w: Tensor, shape: str = 'constant', magnification: float = 1e5) -> Tensor:
    """Open or closed, with the gradient of the shape.

    Args:
        w: Gates, any shape, float32 or float64.
        shape: One of ``SHAPES``.
        magnification: M.

    Returns:
        Tensor of the shape of ``w``: g / (2 M) where closed, 1 + g / (2 M)
        where open.

    Example:
        >>> w = torch.tensor([-0.3, 0.2], requires_grad=True)
        >>> f = gate(w)
        >>> f.sum().backward()
        >>> f.round(decimals=4).tolist(), w.grad.tolist()
        ([0.0, 1.0], [1.0, 1.0])
    """
    return _Gate.apply(_wide(w), shape, magnification)


def _wide(w: Tensor) -> Tensor:
    """At least float32: half precision has no room for M * w, nor for
    1 / M beside 1."""
    return w.float() if w.dtype in (torch.float16, torch.bfloat16) else w


class _Gate(torch.autograd.Function):
    @staticmethod
    def forward(ctx, w: Tensor, shape: str, magnification: float) -> Tensor:
        slope = SHAPES[shape](w)
        ctx.save_for_backward(slope)
        return (w > 0).to(w.dtype) + slope / (2 * magnification)

    @staticmethod
    def backward(ctx, grad: Tensor):
        (slope,) = ctx.saved_tensors
        return grad * slope, None, None
