"""How important each channel is to a trained network.

A score is computed for every layer that makes a unit's channels (filters or
normalises them, in turn) and averaged over those layers. ``readers`` adds
the layers that read the channels, as Torch-Pruning's group importance does.

==============  =======================================================
``l1``, ``l2``  sum of the filter's absolute or squared weights
``bn_scale``    absolute scale of the channel's normalisation
``taylor``      sum of |weight x gradient|, a first-order estimate of what
                the loss loses with the weights (Molchanov et al., 2019)
``size``        root of scale**2 + shift**2, the second moment with which
                a channel leaves its norm
==============  =======================================================
"""

from collections.abc import Iterator, Mapping, Sequence

import torch
from torch import Tensor

from ..errors import ConfigError, TrainingError
from ..ops import Layout, Selection, SlicedLayer
from ..supernet import Supernet

CRITERIA = ('l1', 'l2', 'bn_scale', 'taylor', 'size')


@torch.no_grad()
def channel_scores(
    supernet: Supernet,
    criterion: str,
    saliency: Mapping[str, Tensor] | None = None,
    readers: bool = False,
    kept: Sequence[Selection] | None = None,
) -> list[Tensor]:
    """Score every channel of every unit.

    Args:
        supernet: The network, with its weights.
        criterion: One of :data:`CRITERIA`.
        saliency: |weight x gradient| of each parameter by its name, for
            ``'taylor'``; see :func:`taylor_saliency`.
        readers: Whether the layers that read the channels count as well.
        kept: Channels that are still there, one selection per unit; weights
            between others don't count. All by default.

    Returns:
        One float64 ``[channels]`` per unit, on the CPU, not negative.

    Raises:
        ConfigError: If the criterion is unknown, or finds nothing to score
            a unit by.
        TrainingError: If weights are NaN or infinite.
    """
    if criterion not in CRITERIA:
        raise ConfigError(f'criterion={criterion!r}; choose from {CRITERIA}')
    if criterion == 'taylor' and saliency is None:
        raise ConfigError("criterion='taylor' needs batches to take gradients from")
    if criterion == 'size':
        rows = [row.double().cpu() for row in channel_sizes(supernet)]
    else:
        rows = _averages(supernet, criterion, saliency or {}, readers, kept)
    for unit, row in zip(supernet.units, rows):
        if not torch.isfinite(row).all():
            raise TrainingError(
                f'{unit.name}: the weights or gradients of its layers are NaN '
                'or infinite, so its channels have no order. Start from '
                'another checkpoint'
            )
    return rows


def _averages(
    supernet: Supernet,
    criterion: str,
    saliency: Mapping[str, Tensor],
    readers: bool,
    kept: Sequence[Selection] | None,
) -> list[Tensor]:
    """Mean over the layers of each unit."""
    sums = [torch.zeros(size, dtype=torch.float64) for size in supernet.full]
    counts = [0] * len(sums)
    kept = supernet.full if kept is None else kept
    for layer in supernet.layers:
        for layout, entries in (
            _scales(layer)
            if criterion == 'bn_scale'
            else _weights(layer, criterion, saliency, readers, kept)
        ):
            for unit in layout.units:
                sums[unit] += _of_unit(layout, unit, entries)
                counts[unit] += 1
    missing = [u.name for u, count in zip(supernet.units, counts) if not count]
    if missing:
        raise ConfigError(
            f'criterion={criterion!r} finds nothing to score {len(missing)} of '
            f'the {len(counts)} units by ({", ".join(missing[:3])}): none of '
            "their layers has such weights. Take 'l2' or 'taylor', or leave "
            'these units out with `scope`'
        )
    return [total / count for total, count in zip(sums, counts)]


def _scales(layer: SlicedLayer) -> Iterator[tuple[Layout, Tensor]]:
    """A norm's layout, with the absolute scale of each channel."""
    scale = layer.module._parameters.get('weight')
    if layer.kind.normalises and scale is not None:
        yield layer.out_layout, scale.detach().double().cpu().abs()


def _weights(
    layer: SlicedLayer,
    criterion: str,
    saliency: Mapping[str, Tensor],
    readers: bool,
    kept: Sequence[Selection],
) -> Iterator[tuple[Layout, Tensor]]:
    """Layouts of a layer, with the importance of each of their entries."""
    kind = layer.kind
    for name, dims in kind.tensors.items():
        weight = layer.module._parameters.get(name)
        sides = {dim.partition('/')[0] for dim in dims if dim}
        if weight is None or sides != {'in', 'out'}:
            continue
        if criterion == 'taylor':
            values = saliency[f'{layer.name}.{name}'].double().cpu()
        else:
            values = weight.detach().double().cpu()
            values = values.square() if criterion == 'l2' else values.abs()
        blocks = _blocks(layer, dims, values)
        if not kind.makes_channels:  # what it reads is what it passes on
            yield layer.out_layout, torch.cat([block.sum(1) for block in blocks])
            continue
        # The kept entries of either side count for the other.
        ins = _mask(layer.in_layout, kept).chunk(len(blocks))
        yield layer.out_layout, torch.cat([b @ m for b, m in zip(blocks, ins)])
        if readers:
            outs = _mask(layer.out_layout, kept).chunk(len(blocks))
            yield layer.in_layout, torch.cat([m @ b for b, m in zip(blocks, outs)])


def _blocks(
    layer: SlicedLayer, dims: Sequence[str | None], values: Tensor
) -> Sequence[Tensor]:
    """A weight as one ``[out / groups, in / groups]`` per group."""
    out, in_ = (
        next(d for d, counted in enumerate(dims) if counted and counted.startswith(s))
        for s in ('out', 'in')
    )
    matrix = values.movedim((out, in_), (0, 1)).reshape(
        values.shape[out], values.shape[in_], -1
    )
    # Where the inputs are those of one group, the outputs are of all.
    across = 1 if dims[out] == 'out/groups' else 0
    return matrix.sum(2).chunk(layer.kind.groups(layer.module), dim=across)


def _mask(layout: Layout, kept: Sequence[Selection]) -> Tensor:
    """1 for each entry of a layout that is kept, else 0; float64."""
    mask = torch.zeros(layout.size, dtype=torch.float64)
    for start, stop in layout.ranges(kept):
        mask[start:stop] = 1
    return mask


def _of_unit(layout: Layout, unit: int, entries: Tensor) -> Tensor:
    """Importance of a unit's channels, of all entries that each owns."""
    return sum(  # type: ignore[return-value]  # of one segment at least
        entries[s.start : s.stop].view(-1, s.expand).sum(1)
        for s in layout.segments
        if s.unit == unit
    )


@torch.no_grad()
def channel_sizes(supernet: Supernet) -> list[Tensor]:
    """Size of what scales each channel, 1 on average over a unit.

    A normalised channel has variance 1 and leaves its norm with second
    moment gamma**2 + beta**2; the root of that is its size. A channel
    without a norm has the length of its weights. A unit with several layers
    takes their mean, each divided by its own average first.

    Args:
        supernet: The network, with its weights.

    Returns:
        One ``[channels]`` per unit.
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
