"""Operations between layers, for networks that are drawn at random."""

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional as F

#: On a feature map ``[N, C, H, W]``; some give another number of channels.
OPERATIONS: dict[str, Callable[[Tensor], Tensor]] = {
    'plus one': lambda x: x + 1,
    'relu of plus one': lambda x: (x + 1).relu(),
    'times two': lambda x: 2 * x,
    'minus mean': lambda x: x - x.mean(1, keepdim=True),
    'over norm': lambda x: F.normalize(x, dim=1),
    'softmax of channels': lambda x: x.softmax(1),
    'softmax of rows': lambda x: x.softmax(2),
    'sum': lambda x: x * torch.sigmoid(x.sum(1, keepdim=True)),
    'largest': lambda x: x * torch.tanh(x.amax(1, keepdim=True)),
    'variance': lambda x: x / (1 + x.var(1, keepdim=True)),
    'clamp': lambda x: x.clamp(-0.5, 0.5),
    'clamp from below': lambda x: x.clamp(min=0.1),
    'maximum': lambda x: torch.maximum(x, 0.5 * x),
    'where': lambda x: torch.where(x > 0, x, x / 2),
    'flip of channels': lambda x: x.flip(1),
    'roll of channels': lambda x: x.roll(1, 1),
    'flip of rows': lambda x: x.flip(2),
    'twice in a row': lambda x: x.repeat(1, 2, 1, 1),
    'each twice': lambda x: x.repeat_interleave(2, 1),
    'first channels': lambda x: x[:, :3],
    'all but the first': lambda x: x[:, 1:],
    'every other': lambda x: x[:, ::2],
    'gated linear unit': lambda x: F.glu(x, 1) if x.size(1) % 2 == 0 else x,
    'padded channels': lambda x: F.pad(x, (0, 0, 0, 0, 1, 1)),
    'stacked': lambda x: torch.stack([x, -x], 1).flatten(1, 2),
    'stacked in between': lambda x: torch.stack([x, -x], 2).flatten(1, 2),
    'pixels to channels': lambda x: (
        F.pixel_unshuffle(x, 2).repeat_interleave(2, 2).repeat_interleave(2, 3)
    ),
    'up and down': lambda x: F.max_pool2d(F.interpolate(x, scale_factor=2), 2),
    'bilinear': lambda x: F.interpolate(x, size=x.shape[2:], mode='bilinear'),
    'channels last': lambda x: x.contiguous(memory_format=torch.channels_last),
    'a buffer': lambda x: torch.zeros_like(x).add_(x),
    'a new buffer': lambda x: x.new_zeros(x.shape).copy_(x),
    'in place': lambda x: x.clone().mul_(2).add_(x),
    'correlation': lambda x: (
        torch.einsum('nchw,ndhw->ncd', x, x).mean(2)[..., None, None] * x
    ),
    'sorted': lambda x: x.sort(1).values,
    'largest of all': lambda x: (
        x * x.flatten(1).topk(2, 1).values.sum(1)[:, None, None, None]
    ),
    'cumulative': lambda x: x.cumsum(1),
    'logsumexp': lambda x: x - x.logsumexp(1, keepdim=True),
    'product': lambda x: x * x.flip(3),
    'outer': lambda x: (x[:, :, None] * x[:, None]).mean(2),
}
