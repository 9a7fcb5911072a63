"""Normalise over the open channels only. Pure torch."""

from torch import Tensor, nn


def open_group_norm(module: nn.GroupNorm, x: Tensor, scale: Tensor) -> Tensor:
    """Group norm with one group, of the channels that are open.

    Batch norm treats each channel by itself: scaling its output by 0 is the
    same as not having the channel. Group norm takes its mean and variance
    over channels, closed ones included; the network without them would
    normalise differently. So each channel counts as much as it is open::

        mean = sum(s * x) / sum(s)      var = sum(s * (x - mean)**2) / sum(s)

    Args:
        module: The layer, with its own full-width parameters.
        x: Input ``[N, C, ...]``.
        scale: How far each channel is open, ``[C]``; 0 or 1 for gates.

    Returns:
        ``[N, C, ...]``; closed channels are zero.
    """
    shape = (1, -1) + (1,) * (x.dim() - 2)
    dims = tuple(range(1, x.dim()))
    dtype, x = x.dtype, x.float() if x.dtype.itemsize < 4 else x
    s = scale.to(x.dtype).view(shape)
    count = s.sum() * x[0, 0].numel()
    mean = (s * x).sum(dims, keepdim=True) / count
    var = (s * (x - mean) ** 2).sum(dims, keepdim=True) / count
    out = (x - mean) * (var + module.eps).rsqrt()
    weight, bias = (module._parameters[name] for name in ('weight', 'bias'))
    if weight is not None:
        out = out * weight.view(shape)
    if bias is not None:
        out = out + bias.view(shape)
    return (out * s).to(dtype)
