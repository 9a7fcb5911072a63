"""What is left of one layer: the sliced tensors and the new sizes.

The slicing of a static network; where a layer's channels are,
:mod:`mmdmcp.layers` says. Nothing here changes a module;
:func:`shrink` returns a :class:`Change` that :func:`mmdmcp.subnet.apply`
carries out once every row of the file has been checked.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from ..errors import SubnetError
from ..layers import BareParameter, LayerKind, kind_of
from .rows import LayerWidth

Indices = Sequence[int]


@dataclass
class Change:
    """New tensors and sizes of one module, by attribute name."""

    module: nn.Module
    tensors: dict[str, Tensor]
    sizes: dict[str, object]

    def saved_numel(self) -> int:
        """Parameters that go away."""
        old = {name: getattr(self.module, name) for name in self.tensors}
        return sum(
            old[name].numel() - tensor.numel()
            for name, tensor in self.tensors.items()
            if isinstance(old[name], nn.Parameter)
        )

    def apply(self) -> None:
        """Put the tensors and sizes in place."""
        for name, tensor in self.tensors.items():
            old = getattr(self.module, name)
            if isinstance(old, nn.Parameter):
                tensor = nn.Parameter(tensor, requires_grad=old.requires_grad)
            setattr(self.module, name, tensor)
        for name, size in self.sizes.items():
            setattr(self.module, name, size)


def take(tensor: Tensor, *kept: Indices) -> Tensor:
    """A copy of the kept entries along the first dimensions.

    First channels are copied once, whatever the number of dimensions: the
    time of rebuilding a network is that of touching memory.
    """
    tensor = tensor.detach()
    for dim, indices in enumerate(kept):
        first = indices[0] == 0 and indices[-1] == len(indices) - 1
        if first:
            tensor = tensor.narrow(dim, 0, len(indices))
        else:
            tensor = tensor.index_select(
                dim, torch.tensor(indices, dtype=torch.long, device=tensor.device)
            )
    return tensor.clone() if first else tensor


def shrink(module: nn.Module, row: LayerWidth) -> Change:
    """Plan the smaller version of a layer.

    Args:
        module (nn.Module): A layer of a kind that :mod:`mmdmcp.layers`
            knows.
        row (LayerWidth): Its row of the file.

    Raises:
        SubnetError: If the row does not fit the layer. The message does
            not name the layer; the caller does.
    """
    kind = kind_of(module)
    if kind is None:
        raise SubnetError(
            f'is a {type(module).__name__}; only convolutions, linear layers, '
            'norms and PReLU can be made smaller, and layers whose LayerKind '
            'has been imported (docs/layer_kinds.md)'
        )
    _refuse_generated_weights(module, kind)
    reason = kind.keeps_whole(module)
    if reason is not None:
        raise SubnetError(f"can't be made smaller: {reason}")
    outs = _kept('out', row.out, row.out_kept, kind.size(module, 'out'))
    if kind.has_inputs:
        ins = _kept('in', row.in_, row.in_kept, kind.size(module, 'in'))
    else:
        _require_only_out(row, kind)
        ins = outs
    blocks = _blocks(module, kind, row, ins, outs)
    tensors = {}
    for name, dims in kind.tensors.items():
        tensor = getattr(module, name, None)
        if tensor is not None:
            tensors[name] = _take_sides(tensor, dims, blocks)
    return Change(module, tensors, kind.new_sizes(len(ins), len(outs), len(blocks)))


def shrink_parameter(owner: nn.Module, name: str, row: LayerWidth) -> Change:
    """The same for a parameter that no layer owns, along its channels."""
    if kind_of(owner) is not None:
        raise SubnetError(
            f'is a parameter of a {type(owner).__name__}; list the layer itself'
        )
    parameter, kind = getattr(owner, name), BareParameter()
    if parameter.dim() == 0:
        raise SubnetError('is a single number and has no channels')
    _require_only_out(row, kind)
    dim = kind.dim(parameter)
    out = _kept('out', row.out, row.out_kept, parameter.shape[dim])
    leading = [range(size) for size in parameter.shape[:dim]]
    return Change(owner, {name: take(parameter, *leading, out)}, {})


# ---- groups ----------------------------------------------------------

Block = tuple[Indices, Indices]


def _blocks(
    module: nn.Module, kind: LayerKind, row: LayerWidth, ins: Indices, outs: Indices
) -> list[Block]:
    """Kept (inputs, outputs) of each group that stays.

    Raises:
        SubnetError: If the groups keep different numbers of channels, or
            the row says another number of groups.
    """
    groups = kind.groups(module)
    if 'groups' in kind.sizes.values():
        blocks = _group_blocks(module, kind, ins, outs)
        if len(blocks) != (row.groups or groups):
            said = f'says groups: {row.groups}' if row.groups else 'has no groups'
            raise SubnetError(
                f'the kept channels leave {len(blocks)} groups of '
                f'the {groups}, but the row {said}'
            )
        return blocks
    if row.groups is not None:
        raise SubnetError(f'is {kind.noun}, which has no groups')
    size = kind.size(module, 'out') // groups
    counts = [0] * groups
    for i in outs:
        counts[i // size] += 1
    if len(set(counts)) > 1:
        raise SubnetError(
            f'is {kind.noun} of {groups} groups, of which some '
            f'would keep {min(counts)} and some {max(counts)} channels'
        )
    return [(ins, outs)]


def _group_blocks(
    module: nn.Module, kind: LayerKind, ins: Indices, outs: Indices
) -> list[Block]:
    """Kept (inputs, outputs) of each group, as indices into all of them."""
    groups = kind.groups(module)
    if groups == 1:
        return [(ins, outs)]
    blocks: list[tuple[list[int], list[int]]] = [([], []) for _ in range(groups)]
    for side, kept in enumerate((ins, outs)):
        size = kind.size(module, ('in', 'out')[side]) // groups
        for i in kept:
            blocks[i // size][side].append(i)
    blocks = [block for block in blocks if block[0] or block[1]]
    counts = {(len(outputs), len(inputs)) for inputs, outputs in blocks}
    if len(counts) > 1 or 0 in next(iter(counts)):
        raise SubnetError(
            f'the kept channels are spread unevenly over its {groups} groups '
            '(outputs, inputs): ' + ', '.join(map(str, sorted(counts)[:4]))
        )
    return [(inputs, outputs) for inputs, outputs in blocks]


# ---- tensors ---------------------------------------------------------


def _take_sides(
    tensor: Tensor, dims: Sequence[str | None], blocks: list[Block]
) -> Tensor:
    """The kept part of a tensor whose dimensions count what ``dims`` says.

    Where one counts what each group has, group by group unless all keep
    the same.
    """
    kept: list[list[Indices]] = []  # of each dimension: of every group, or of all
    for dim, size in zip(dims, tensor.shape):
        side, _, inside = (dim or '').partition('/')
        pieces = [block[side == 'out'] for block in blocks]
        if not side:
            kept.append([range(size)])
        elif inside:
            kept.append(_within_groups(pieces, size))
        elif len(blocks) == 1:
            kept.append(pieces)
        else:
            kept.append([[i for piece in pieces for i in piece]])
    if all(len(of_dim) == 1 for of_dim in kept):
        return take(tensor, *(of_dim[0] for of_dim in kept))
    along = next(i for i, dim in enumerate(dims) if dim and '/' not in dim)
    kept[along] = [block[dims[along] == 'out'] for block in blocks]
    parts = [
        take(tensor, *(of_dim[group % len(of_dim)] for of_dim in kept))
        for group in range(len(blocks))
    ]
    return torch.cat(parts, along)


def _within_groups(pieces: list[Indices], size: int) -> list[Indices]:
    """What each group keeps, counted from its first channel; once if all
    keep the same."""
    if size == 1:  # depthwise: as many groups as channels
        return [range(1)]
    inside: list[Indices] = [[i % size for i in piece] for piece in pieces]
    return inside[:1] if all(piece == inside[0] for piece in inside) else inside


def _kept(
    side: str, count: int | None, kept: tuple[int, ...] | None, size: int
) -> Indices:
    """Indices that stay of a dimension of that size."""
    if count is None:
        return range(size)
    last = count - 1 if kept is None else kept[-1]
    if last >= size:
        raise SubnetError(
            f'{side}: {count} channels up to index {last} are '
            f'to be kept, but the layer has {size}'
        )
    return range(count) if kept is None else kept


def _require_only_out(row: LayerWidth, kind: LayerKind) -> None:
    if row.in_ is not None or row.groups is not None:
        raise SubnetError(f'is {kind.noun} and has only out, no in or groups')


def _refuse_generated_weights(module: nn.Module, kind: LayerKind) -> None:
    """Weights that hooks or parametrisations compute can't be sliced."""
    for name in kind.tensors:
        tensor = getattr(module, name, None)
        if isinstance(tensor, nn.parameter.UninitializedParameter):
            raise SubnetError(
                'is a lazy layer without a shape; run the model once first'
            )
        if tensor is not None and not (
            name in module._parameters or name in module._buffers
        ):
            raise SubnetError(
                f'computes its {name} (weight norm, spectral norm or another '
                'parametrisation); remove that first'
            )
