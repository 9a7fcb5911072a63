"""Tensors of channel numbers that accompany a model's tensors.

A label tensor has the shape of the tensor it describes and says for every
entry which channel it holds. Where neighbours hold the same (all pixels of
a feature map), it is an expanded view and takes no memory.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from .classes import FIXED, NONE, ChannelClasses, unexpanded


def varying(labels: Tensor) -> list[int]:
    """Dimensions along which labels differ."""
    small = unexpanded(labels)
    return [
        dim
        for dim, size in enumerate(small.shape)
        if size > 1 and bool((small != small.narrow(dim, 0, 1)).any())
    ]


def compact(labels: Tensor) -> Tensor:
    """The same labels as an expanded view."""
    keep = varying(labels)
    small = labels
    for dim in range(labels.dim()):
        if dim not in keep and labels.size(dim) > 1:
            small = small.narrow(dim, 0, 1)
    return small.expand(labels.shape)


def constant(label: int, shape: Sequence[int]) -> Tensor:
    """One label everywhere."""
    return torch.tensor(label).expand(tuple(shape))


def vary_along(row: Tensor, dim: int, shape: Sequence[int]) -> Tensor:
    """Labels that vary along one dimension only."""
    view = [1] * len(shape)
    view[dim] = -1
    return row.view(view).expand(tuple(shape))


def channel_row(
    classes: ChannelClasses, labels: Tensor, dim: int, where: str
) -> Tensor:
    """Labels along one dimension; entries elsewhere are joined with them.

    Args:
        classes: The classes.
        labels: Labels of a tensor.
        dim: The channel dimension.
        where: What joins them, for messages.
    """
    small = unexpanded(classes.find(labels)).movedim(dim, 0)
    small = small.reshape(len(small), -1)
    first = small.amax(dim=1)  # NONE beside a channel counts for nothing
    classes.join(small, first[:, None], where)
    first = classes.find(first)
    return first.expand(labels.size(dim)).clone()


def equal_parts(
    classes: ChannelClasses, labels: Tensor, parts: int, where: str
) -> Tensor:
    """Make a row of labels fit code that cuts it into equal parts.

    Code that halves, groups or shuffles channels takes its sizes from the
    tensor, so every part must keep as many channels as the others. Where
    each channel comes as often as there are parts (after a shuffle), each
    part gets it once; otherwise the parts are joined one by one.

    Args:
        classes: The classes.
        labels: ``[channels]``.
        parts: Number of equal parts.
        where: What joins them, for messages.

    Returns:
        ``[channels]``, the same in every part.
    """
    table = classes.find(labels).view(parts, -1)
    if (table == table[0]).all():
        return table.flatten()
    counts = table.unique(return_counts=True)[1]
    if bool((counts % parts == 0).all()):
        part = table.flatten().sort().values[::parts]
        return part.repeat(parts)
    classes.join(table, table[:1], where)
    return classes.find(table[0]).repeat(parts)


def broadcast(
    classes: ChannelClasses,
    operands: Sequence[Tensor],
    shape: tuple[int, ...],
    where: str,
) -> Tensor:
    """Labels of an elementwise result: what meets is joined.

    An operand that has one entry where the others have channels (a map of
    spatial attention, a temperature) is no channel's.

    Args:
        classes: The classes.
        operands: Labels of the operands.
        shape: Shape of the result.
        where: What joins them, for messages.
    """
    found = []
    for labels in operands:
        labels = classes.find(labels)
        found.append(labels[(None,) * (len(shape) - labels.dim())])
    channel_dims = {d for labels in found for d in varying(labels)}
    result = constant(NONE, shape)
    for labels in found:
        flat = {d for d in channel_dims if labels.size(d) < shape[d]}
        if flat:
            if varying(labels):  # an outer product of channels
                for other in found:
                    classes.fix(other, 'its channels meet other channels')
                return constant(FIXED, shape)
            continue
        a, b = unexpanded(classes.find(result)), unexpanded(labels)
        classes.join(a, b, where)
        a, b = torch.broadcast_tensors(classes.find(a), classes.find(b))
        # A fixed entry stays fixed; beside nothing, a channel counts.
        fixed = (a == FIXED) | (b == FIXED)
        result = torch.where(fixed, FIXED, torch.maximum(a, b)).expand(shape)
    return result
