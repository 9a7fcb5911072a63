"""What an operation between layers does to the channels' numbers."""

from collections.abc import Callable

import torch
from torch import Tensor
from torch.utils._pytree import tree_leaves, tree_map

from .classes import FIXED, NONE, ChannelClasses
from .kinds import (
    CUTS,
    LIKE,
    MOVES,
    REDUCTIONS,
    SAME,
    SOFTMAX,
    SPATIAL,
    SUMS,
    VIEWS,
    is_pointwise,
)
from .labels import (
    broadcast,
    channel_row,
    compact,
    constant,
    equal_parts,
    vary_along,
    varying,
)


class NumberedTensors:
    """The labels of every tensor of one forward pass.

    Args:
        classes: Which channels are the same.
        initial_labels: Labels of a tensor that no operation made.
        inside: Name of the module that is running, for messages.
        name_of: Name of a parameter or buffer; None for other tensors.
    """

    def __init__(
        self,
        classes: ChannelClasses,
        initial_labels: Callable[[Tensor], Tensor],
        inside: Callable[[], str],
        name_of: Callable[[Tensor], str | None],
    ) -> None:
        self.classes = classes
        self._initial_labels = initial_labels
        self._inside, self._name_of = inside, name_of
        self._where = ''  # the operation, and the module that it is in
        self._labels: dict[int, Tensor] = {}
        self._alive: list[Tensor] = []

    def get(self, tensor: Tensor) -> Tensor:
        """Labels of a tensor, as classes."""
        if id(tensor) not in self._labels:
            self.set(tensor, self._initial_labels(tensor))
        return self.classes.find(self._labels[id(tensor)])

    def set(self, tensor: Tensor, labels: Tensor) -> None:
        """Give a tensor its labels."""
        self._labels[id(tensor)] = labels
        self._alive.append(tensor)  # no other tensor may get its id

    def fix(self, tensor: Tensor, reason: str) -> None:
        """Mark all channels of a tensor as ones that can't go."""
        self.classes.fix(self.get(tensor), reason)

    def operate(
        self, func, args: tuple, kwargs: dict, out: object, memory: tuple | None = None
    ) -> None:
        """Label the outputs of one of torch's primitive operations.

        Args:
            func: The operation.
            args: Its arguments.
            kwargs: Its keyword arguments.
            out: What it returned.
            memory: Where the entries of its first argument lay before it:
                shape, strides and offset.
        """
        inputs = [x for x in tree_leaves((args, kwargs)) if isinstance(x, Tensor)]
        outputs = [x for x in tree_leaves(out) if isinstance(x, Tensor)]
        name = func._overloadpacket.__name__
        self._where = self._place(name, inputs)
        if not inputs:  # made from nothing
            for made in outputs:
                self.set(made, constant(NONE, made.shape))
        elif name in LIKE:
            self.set(outputs[0], self.get(inputs[0]))
        elif name in MOVES:
            self._move(func, name, args, kwargs, outputs)
        elif name in REDUCTIONS:
            self._reduce(name, _bind(func, args, kwargs), inputs[0], outputs)
        elif name in SPATIAL:
            self._spatial(name, args, inputs[0], outputs)
        elif name == 'glu':
            self._halve(_bind(func, args, kwargs), outputs[0])
        elif name in ('as_strided', 'as_strided_') and memory is not None:
            self._restride(inputs[0], memory, outputs[0])
        elif name.startswith('new_') and outputs[0].numel() == len(outputs[0]):
            # A number for each sample: no channels.
            self.set(outputs[0], constant(NONE, outputs[0].shape))
        elif outputs and is_pointwise(func):
            if name in SOFTMAX and args[1] % args[0].dim() in varying(
                self.get(args[0])
            ):
                self._mix(self.get(args[0]))
            self._join(inputs, outputs)
        else:
            self._unknown(name, inputs, outputs)

    def _place(self, name: str, inputs: list[Tensor]) -> str:
        """Where an operation is, and the parameters that it reads."""
        place = f'{name} in {self._inside()}' if self._inside() else name
        known = [n for n in map(self._name_of, inputs) if n is not None]
        return f'{place}, with {", ".join(known)}' if known else place

    def _mix(self, labels: Tensor) -> None:
        """A channel of zeros counts in what is computed from all of them."""
        self.classes.mix(labels, self._where)

    def _join(self, inputs: list[Tensor], outputs: list[Tensor]) -> None:
        """What meets, entry by entry, is the same channel."""
        labels = broadcast(
            self.classes,
            [self.get(x) for x in inputs],
            tuple(outputs[0].shape),
            self._where,
        )
        for made in outputs:
            if made.shape == labels.shape:
                self._write(made, labels)

    def _write(self, tensor: Tensor, labels: Tensor) -> None:
        """Labels of a result, which may be one of the arguments."""
        before = self._labels.get(id(tensor))
        if before is not None and bool((before == NONE).any()):
            # Written into memory whose other views carry no number.
            self.classes.fix(labels, 'its channels are copied into a buffer')
        self.set(tensor, labels)

    def _unknown(self, name: str, inputs: list[Tensor], outputs: list[Tensor]) -> None:
        reason = f'its channels pass through the operation {self._where}'
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
        if name in SAME:
            moved = [self.get(args[0])]
        elif name in VIEWS:
            self._fit_view(args[0], outputs[0].shape)
            moved = [self.get(args[0]).reshape(outputs[0].shape)]
        else:
            if name in CUTS:
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
            self.classes.join(table, table.narrow(dim, 0, 1), self._where)
            return
        row = channel_row(self.classes, labels, dim, self._where)
        row = equal_parts(self.classes, row, parts, self._where)
        self._labels[id(x)] = vary_along(row, dim, x.shape)

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
        if gone and name not in SUMS:
            self._mix(labels)
        kept = labels
        for dim in sorted(dims, reverse=True):
            kept = kept.narrow(dim, 0, 1)
            if not arguments.get('keepdim', False):
                kept = kept.squeeze(dim)
        for made in outputs:
            # A sum over all channels belongs to none of them.
            self.set(made, constant(NONE, made.shape) if gone else kept)

    def _spatial(
        self, name: str, args: tuple, x: Tensor, outputs: list[Tensor]
    ) -> None:
        labels = self.get(x)
        last = SPATIAL[name]
        last = len(args[1]) // 2 if last is None else last
        for dim in range(x.dim()):
            if dim not in varying(labels):
                labels = labels.narrow(dim, 0, 1)
        if all(d < x.dim() - last for d in varying(labels)):
            for made in outputs:
                self.set(made, labels.expand(made.shape))
        else:
            self._unknown(name, [x], outputs)

    def _halve(self, arguments: dict, made: Tensor) -> None:
        """A gated linear unit: one half times a function of the other."""
        x = arguments['self']
        dim = arguments.get('dim', -1) % x.dim()
        if dim in varying(self.get(x)):
            self._fit(x, dim, made.size(dim))
        labels = self.get(x).chunk(2, dim)
        self.set(made, broadcast(self.classes, labels, made.shape, self._where))

    def _restride(self, x: Tensor, memory: tuple, made: Tensor) -> None:
        """The same memory read in another way, all of it."""
        shape, strides, offset = memory
        if made.numel() != x.numel() or made.storage_offset() != offset:
            self._unknown('as_strided', [x], [made])
            return
        reach = 1 + max(
            sum((n - 1) * step for n, step in zip(*pair))
            for pair in ((shape, strides), (made.shape, made.stride()))
        )
        numbers = torch.full((reach,), FIXED)
        numbers.as_strided(shape, strides).copy_(self.get(x))
        self.set(made, compact(numbers.as_strided(made.shape, made.stride())))


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
