"""What an operation between layers does to the channels' numbers."""

from collections.abc import Callable

import torch
from torch import Tensor
from torch.utils._pytree import tree_leaves, tree_map

from .classes import FIXED, NONE, ChannelClasses
from .labels import along, broadcast, compact, constant, equal_parts, profile, varying

_MOVES = {
    'view',
    '_unsafe_view',
    'reshape',
    'permute',
    'transpose',
    't',
    'expand',
    'clone',
    'detach',
    'alias',
    'unsqueeze',
    'squeeze',
    'cat',
    'stack',
    'flip',
    'roll',
    'repeat',
    'slice',
    'select',
    'split',
    'split_with_sizes',
    'unbind',
    'lift',
    'lift_fresh',
    '_to_copy',
    '_reshape_alias',
}
_SAME = {'clone', 'detach', 'alias', 'lift', 'lift_fresh', '_to_copy'}
_CUTS = {'slice', 'select', 'split', 'split_with_sizes', 'unbind'}
_VIEWS = {'view', '_unsafe_view', 'reshape', '_reshape_alias'}
_REDUCTIONS = {
    'mean',
    'sum',
    'amax',
    'amin',
    'max',
    'min',
    'var',
    'std',
    'var_mean',
    'norm',
    'linalg_vector_norm',
    'logsumexp',
    'prod',
    'any',
    'all',
}
_SPATIAL = {
    'max_pool2d_with_indices',
    'max_pool2d',
    'avg_pool2d',
    'avg_pool1d',
    '_adaptive_avg_pool2d',
    'adaptive_max_pool2d',
    'constant_pad_nd',
    'reflection_pad2d',
    'replication_pad2d',
    'upsample_nearest2d',
    'upsample_bilinear2d',
    'upsample_bicubic2d',
    '_upsample_nearest_exact2d',
}
# They read only a tensor's shape, so what they make has the same channels.
_LIKE = {
    'zeros_like',
    'ones_like',
    'full_like',
    'empty_like',
    'rand_like',
    'randn_like',
}
# Elementwise, but without torch's tag for it.
_POINTWISE = {
    'hardswish',
    'hardtanh_',
    'hardswish_',
    'leaky_relu',
    'leaky_relu_',
    'gelu_',
    '_softmax',
    '_log_softmax',
    'native_dropout',
    'where',
    '_prelu_kernel',
    'hardsigmoid_',
    'hardtanh',
}
JOINED = "its channels are joined with some that can't change"


class NumberedTensors:
    """The labels of every tensor of one forward pass.

    Args:
        classes: Which channels are the same.
        first_look: Labels of a tensor that no operation made.
    """

    def __init__(
        self, classes: ChannelClasses, first_look: Callable[[Tensor], Tensor]
    ) -> None:
        self.classes = classes
        self._first_look = first_look
        self._labels: dict[int, Tensor] = {}
        self._alive: list[Tensor] = []

    def get(self, tensor: Tensor) -> Tensor:
        """Labels of a tensor, as classes."""
        if id(tensor) not in self._labels:
            self.set(tensor, self._first_look(tensor))
        return self.classes.find(self._labels[id(tensor)])

    def set(self, tensor: Tensor, labels: Tensor) -> None:
        """Give a tensor its labels."""
        self._labels[id(tensor)] = labels
        self._alive.append(tensor)  # no other tensor may get its id

    def fix(self, tensor: Tensor, reason: str) -> None:
        """Mark all channels of a tensor as ones that can't go."""
        self.classes.fix(self.get(tensor), reason)

    def operate(self, func, args: tuple, kwargs: dict, out: object) -> None:
        """Label the outputs of one of torch's primitive operations.

        Args:
            func: The operation.
            args: Its arguments.
            kwargs: Its keyword arguments.
            out: What it returned.
        """
        inputs = [x for x in tree_leaves((args, kwargs)) if isinstance(x, Tensor)]
        outputs = [x for x in tree_leaves(out) if isinstance(x, Tensor)]
        name = func._overloadpacket.__name__
        if not inputs:  # made from nothing
            for made in outputs:
                self.set(made, constant(NONE, made.shape))
        elif name in _LIKE:
            self.set(outputs[0], self.get(inputs[0]))
        elif name in _MOVES:
            self._move(func, name, args, kwargs, outputs)
        elif name in _REDUCTIONS:
            self._reduce(name, _bind(func, args, kwargs), inputs[0], outputs)
        elif name in _SPATIAL:
            self._spatial(name, inputs[0], outputs)
        elif outputs and (name in _POINTWISE or torch.Tag.pointwise in func.tags):
            labels = broadcast(
                self.classes,
                [self.get(x) for x in inputs],
                tuple(outputs[0].shape),
                JOINED,
            )
            for made in outputs:
                self._write(made, labels)
        else:
            self._unknown(name, inputs, outputs)

    def _write(self, tensor: Tensor, labels: Tensor) -> None:
        """Labels of a result, which may be one of the arguments."""
        before = self._labels.get(id(tensor))
        if before is not None and bool((before == NONE).any()):
            # Written into memory whose other views carry no number.
            self.classes.fix(labels, 'its channels are copied into a buffer')
        self.set(tensor, labels)

    def _unknown(self, name: str, inputs: list[Tensor], outputs: list[Tensor]) -> None:
        reason = f'its channels pass through the operation {name}'
        if name.startswith('new_'):
            reason = 'the code takes the size of a buffer from its channels'
        for x in inputs:
            self.fix(x, reason)
        for made in outputs:
            self.set(made, constant(FIXED, made.shape))

    def _move(
        self, func, name: str, args: tuple, kwargs: dict, outputs: list[Tensor]
    ) -> None:
        """Move the labels as the data is moved."""
        if name in _SAME:
            moved = [self.get(args[0])]
        elif name in _VIEWS:
            self._fit_view(args[0], outputs[0].shape)
            moved = [self.get(args[0]).reshape(outputs[0].shape)]
        else:
            if name in _CUTS:
                self._fit_cut(args[0], _bind(func, args, kwargs), outputs)
            args, kwargs = tree_map(
                lambda x: self.get(x) if isinstance(x, Tensor) else x, (args, kwargs)
            )
            moved = tree_leaves(func(*args, **kwargs))
        for made, labels in zip(outputs, moved):
            self.set(made, compact(labels))

    def _fit_cut(self, x: Tensor, arguments: dict, outputs: list[Tensor]) -> None:
        """Make the channels fit the pieces that a cut leaves."""
        dim = arguments.get('dim', 0) % x.dim()
        if dim not in varying(self.get(x)):
            return
        piece = 1 if outputs[0].dim() < x.dim() else outputs[0].size(dim)
        start = arguments.get('start') or 0
        if start < 0:
            start += x.size(dim)
        if (
            x.size(dim) % piece
            or start % piece
            or arguments.get('step', 1) != 1
            or any(o.dim() == x.dim() and o.size(dim) != piece for o in outputs)
        ):
            self.fix(x, 'the code cuts its channels at fixed places')
        else:
            self._fit(x, dim, piece)

    def _fit_view(self, x: Tensor, shape: torch.Size) -> None:
        """Make the channels fit the pieces that a view leaves."""
        for dim in varying(self.get(x)):
            self._fit(x, dim, _innermost(x.shape, shape, dim))

    def _fit(self, x: Tensor, dim: int, piece: int) -> None:
        """Make all pieces of that size, along a dimension, alike."""
        labels, parts = self.get(x), x.size(dim) // piece
        if parts == 1:
            return
        if len(varying(labels)) > 1:
            table = labels.unflatten(dim, (parts, piece))
            self.classes.join(table, table.narrow(dim, 0, 1), JOINED)
            return
        row = profile(self.classes, labels, dim, JOINED)
        row = equal_parts(self.classes, row, parts, JOINED)
        self._labels[id(x)] = along(row, dim, x.shape)

    def _reduce(
        self, name: str, arguments: dict, x: Tensor, outputs: list[Tensor]
    ) -> None:
        labels = self.get(x)
        dims = arguments.get('dim')
        if dims is None or dims == []:
            dims = range(x.dim())
        dims = {d % x.dim() for d in ([dims] if isinstance(dims, int) else dims)}
        gone = set(varying(labels)) & dims
        if gone and gone != set(varying(labels)):
            self._unknown(name, [x], outputs)
            return
        kept = labels
        for dim in sorted(dims, reverse=True):
            kept = kept.narrow(dim, 0, 1)
            if not arguments.get('keepdim', False):
                kept = kept.squeeze(dim)
        for made in outputs:
            # A sum over all channels belongs to none of them.
            self.set(made, constant(NONE, made.shape) if gone else kept)

    def _spatial(self, name: str, x: Tensor, outputs: list[Tensor]) -> None:
        labels = self.get(x)
        for dim in range(x.dim()):
            if dim not in varying(labels):
                labels = labels.narrow(dim, 0, 1)
        if all(x.size(d) == made.size(d) for made in outputs for d in varying(labels)):
            for made in outputs:
                self.set(made, labels.expand(made.shape))
        else:
            self._unknown(name, [x], outputs)


def _bind(func, args: tuple, kwargs: dict) -> dict:
    """Arguments of an operation by name."""
    names = [argument.name for argument in func._schema.arguments]
    return {**dict(zip(names, args)), **kwargs}


def _innermost(before: torch.Size, after: torch.Size, dim: int) -> int:
    """Size of the innermost piece that a view leaves of a dimension.

    The dimension's own size if it stays whole or is merged with others.
    """
    inner = 1
    for size in before[dim + 1 :]:
        inner *= size
    # Walk the new shape from the right to the dimension's inner edge.
    count, index = 1, len(after) - 1
    while index > 0 and (count < inner or after[index] == 1):
        count *= after[index]
        index -= 1
    piece = after[index]
    return piece if count == inner and before[dim] % piece == 0 else before[dim]
