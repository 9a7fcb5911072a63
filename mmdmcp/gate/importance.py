"""How important each channel is to a pretrained network."""

import torch
from torch import Tensor

from ..supernet import Supernet


@torch.no_grad()
def channel_importance(supernet: Supernet) -> list[Tensor]:
    """Size of what scales each channel, 1 on average over a unit.

    A normalised channel has variance 1 and leaves its norm with second
    moment gamma**2 + beta**2; the root of that is its size. A channel
    without a norm has the length of its weights. A unit with several layers
    takes their mean, each divided by its own average first.

    Args:
        supernet: The network, with its weights.

    Returns:
        One ``[channels]`` a unit.
    """
    parameter = next(supernet.model.parameters())
    sums = [parameter.new_zeros(c) for c in supernet.full]
    for layer in supernet.scaled:
        squares = sum(
            p.detach().flatten(1).square().sum(1)
            if p.dim() > 1
            else p.detach().square()
            for p in layer.kind.by_output(layer.module)
        )
        if not isinstance(squares, Tensor):
            continue  # a norm without parameters treats all alike
        size = squares.sqrt()
        for segment in layer.out_layout.segments:
            if segment.unit is None:
                continue
            piece = size[segment.start : segment.stop].view(-1, segment.expand)
            piece = piece.mean(1)
            sums[segment.unit] += piece / piece.mean().clamp(min=1e-12)
    return [
        total / total.mean() if total.sum() > 0 else torch.ones_like(total)
        for total in sums
    ]
