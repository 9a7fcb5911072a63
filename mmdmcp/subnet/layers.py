"""What is left of one layer: the sliced tensors and the new sizes.

The slicing of a static network. Nothing here changes a module;
:func:`shrink` returns a :class:`Change` that :func:`mmdmcp.subnet.apply`
carries out once every row of the file has been checked.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _NormBase
from torch.nn.modules.conv import _ConvNd, _ConvTransposeNd

from ..errors import SubnetError
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

    def carry_out(self) -> None:
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
        module (nn.Module): Convolution, linear layer or norm.
        row (LayerWidth): Its row of the file.

    Raises:
        SubnetError: If the row does not fit the layer. The message does
            not name the layer; the caller does.
    """
    _refuse_generated_weights(module)
    for kinds, plan in _PLANS:
        if isinstance(module, kinds):
            return plan(module, row)
    raise SubnetError(
        f'is a {type(module).__name__}; only convolutions, linear layers, '
        'norms and PReLU can be made smaller'
    )


def shrink_parameter(owner: nn.Module, name: str, row: LayerWidth) -> Change:
    """The same for a parameter that no layer of torch owns, along dim 0."""
    if isinstance(owner, tuple(k for kinds, _ in _PLANS for k in kinds)):
        raise SubnetError(
            f'is a parameter of a {type(owner).__name__}; list the layer itself'
        )
    parameter = getattr(owner, name)
    if parameter.dim() == 0:
        raise SubnetError('is a single number and has no channels')
    out = _only_out(row, 'a bare parameter', parameter.shape[0])
    return Change(owner, {name: take(parameter, out)}, {})


def _conv(module: _ConvNd, row: LayerWidth) -> Change:
    """Weight [out, in / groups, ...]; [in, out / groups, ...] transposed."""
    ins = _kept('in', row.in_, row.in_kept, module.in_channels)
    outs = _kept('out', row.out, row.out_kept, module.out_channels)
    blocks = _group_blocks(module, ins, outs)
    if len(blocks) != (row.groups or module.groups):
        said = f'says groups: {row.groups}' if row.groups else 'has no groups'
        raise SubnetError(
            f'the kept channels leave {len(blocks)} groups of '
            f'the {module.groups}, but the row {said}'
        )
    columns = module.in_channels
    if isinstance(module, _ConvTransposeNd):
        blocks = [(cols, rows) for rows, cols in blocks]
        columns = module.out_channels
    weight = _take_blocks(module.weight, blocks, columns // module.groups)
    tensors = dict(weight=weight)
    if module.bias is not None:
        tensors['bias'] = take(module.bias, outs)
    return Change(
        module,
        tensors,
        dict(in_channels=len(ins), out_channels=len(outs), groups=len(blocks)),
    )


def _group_blocks(module: _ConvNd, ins: Indices, outs: Indices) -> list:
    """Kept (outputs, inputs) of each group that stays, as whole indices."""
    groups = module.groups
    if groups == 1:
        return [(outs, ins)]
    in_size, out_size = (module.in_channels // groups, module.out_channels // groups)
    blocks = [([], []) for _ in range(groups)]
    for i in outs:
        blocks[i // out_size][0].append(i)
    for i in ins:
        blocks[i // in_size][1].append(i)
    blocks = [block for block in blocks if block[0] or block[1]]
    counts = {(len(rows), len(cols)) for rows, cols in blocks}
    if len(counts) > 1 or 0 in next(iter(counts)):
        raise SubnetError(
            f'the kept channels are spread unevenly over its {groups} groups '
            '(outputs, inputs): ' + ', '.join(map(str, sorted(counts)[:4]))
        )
    return blocks


def _take_blocks(weight: Tensor, blocks: list, col_size: int) -> Tensor:
    """Slice a weight [rows, cols of one group, ...] group by group.

    Args:
        weight (Tensor): Full weight.
        blocks (list): (kept rows, kept columns) of each group, as indices
            into all rows and all columns of the layer.
        col_size (int): Columns of one group.
    """
    blocks = [(rows, [i % col_size for i in cols]) for rows, cols in blocks]
    columns = blocks[0][1]
    if all(cols == columns for _, cols in blocks):
        rows = [i for rows, _ in blocks for i in rows]
        return take(weight, rows, columns)
    return torch.cat([take(weight, rows, cols) for rows, cols in blocks])


def _linear(module: nn.Linear, row: LayerWidth) -> Change:
    """Weight [out, in]."""
    if row.groups is not None:
        raise SubnetError('is a linear layer, which has no groups')
    ins = _kept('in', row.in_, row.in_kept, module.in_features)
    outs = _kept('out', row.out, row.out_kept, module.out_features)
    tensors = dict(weight=take(module.weight, outs, ins))
    if module.bias is not None:
        tensors['bias'] = take(module.bias, outs)
    return Change(module, tensors, dict(in_features=len(ins), out_features=len(outs)))


def _batch_norm(module: _NormBase, row: LayerWidth) -> Change:
    """Batch and instance norm, synchronised or not."""
    out = _only_out(row, 'a norm', module.num_features)
    return Change(
        module,
        _take_present(module, out, 'weight', 'bias', 'running_mean', 'running_var'),
        dict(num_features=len(out)),
    )


def _group_norm(module: nn.GroupNorm, row: LayerWidth) -> Change:
    """Every group must keep as many channels as the others."""
    out = _only_out(row, 'a norm', module.num_channels)
    size = module.num_channels // module.num_groups
    counts = [0] * module.num_groups
    for i in out:
        counts[i // size] += 1
    if len(set(counts)) > 1:
        raise SubnetError(
            f'is a group norm of {module.num_groups} groups, of which some '
            f'would keep {min(counts)} and some {max(counts)} channels'
        )
    return Change(
        module,
        _take_present(module, out, 'weight', 'bias'),
        dict(num_channels=len(out)),
    )


def _layer_norm(module: nn.Module, row: LayerWidth) -> Change:
    """Layer and RMS norm over the channels alone."""
    if len(module.normalized_shape) != 1:
        raise SubnetError(
            f'normalises over {tuple(module.normalized_shape)}, not over the '
            "channels alone, so it can't be made smaller"
        )
    out = _only_out(row, 'a norm', module.normalized_shape[0])
    return Change(
        module,
        _take_present(module, out, 'weight', 'bias'),
        dict(normalized_shape=(len(out),)),
    )


def _prelu(module: nn.PReLU, row: LayerWidth) -> Change:
    out = _only_out(row, 'a PReLU', module.num_parameters)
    return Change(
        module, _take_present(module, out, 'weight'), dict(num_parameters=len(out))
    )


_RMS_NORM = (nn.RMSNorm,) if hasattr(nn, 'RMSNorm') else ()  # torch >= 2.4
_PLANS = (
    ((_ConvNd,), _conv),
    ((nn.Linear,), _linear),
    ((_NormBase,), _batch_norm),
    ((nn.GroupNorm,), _group_norm),
    ((nn.LayerNorm, *_RMS_NORM), _layer_norm),
    ((nn.PReLU,), _prelu),
)


def _take_present(module: nn.Module, kept: Indices, *names: str) -> dict[str, Tensor]:
    """The tensors of that name that the module has; affine ones may lack."""
    tensors = {name: getattr(module, name, None) for name in names}
    return {
        name: take(tensor, kept)
        for name, tensor in tensors.items()
        if tensor is not None
    }


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


def _only_out(row: LayerWidth, kind: str, size: int) -> Indices:
    if row.in_ is not None or row.groups is not None:
        raise SubnetError(f'is {kind} and has only out, no in or groups')
    return _kept('out', row.out, row.out_kept, size)


def _refuse_generated_weights(module: nn.Module) -> None:
    """Weights that hooks or parametrisations compute can't be sliced."""
    for name in ('weight', 'bias'):
        tensor = getattr(module, name, None)
        if isinstance(tensor, nn.parameter.UninitializedParameter):
            raise SubnetError(
                'is a lazy layer without a shape; run the model once first'
            )
        if tensor is not None and name not in module._parameters:
            raise SubnetError(
                f'computes its {name} (weight norm, spectral norm or another '
                'parametrisation); remove that first'
            )
