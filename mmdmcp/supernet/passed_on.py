"""Norms whose channels are gated by a later norm all the same."""

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode
from torch.utils._pytree import tree_leaves

from ..ops import NORMS, is_depthwise


@torch.no_grad()
def passed_on(
    model: nn.Module, run: Callable[[], object], normalised: set[str]
) -> set[str]:
    """Norms whose output, activated, only depthwise convolutions read that
    are normalised in turn.

    A gate on both norms closes a channel twice. Behind the first one the
    second sees next to nothing and can't scale it up again, so the slope
    of a closed gate would be zero: nothing could open it. The second alone
    closes the channel as well.

    Args:
        model: The model.
        run: Runs one sample through it.
        normalised: Layers whose output goes straight into norms.

    Returns:
        Names of the norms.
    """
    readers = _Readers()
    handles = []
    for name, module in model.named_modules():
        if isinstance(module, NORMS):
            handles.append(
                module.register_forward_hook(
                    lambda _m, _i, out, name=name: readers.note(out, name)
                )
            )
        elif is_depthwise(module) and name in normalised:
            handles += [
                module.register_forward_pre_hook(readers.enter),
                module.register_forward_hook(readers.leave),
            ]
    try:
        with readers:
            output = run()
    finally:
        for handle in handles:
            handle.remove()
    readers.read_elsewhere(output)
    return readers.depthwise - readers.elsewhere


class _Readers(TorchFunctionMode):
    """Notes who reads the outputs of norms.

    Attributes:
        depthwise: Norms that a depthwise convolution reads.
        elsewhere: Norms that anything else reads.
    """

    def __init__(self) -> None:
        super().__init__()
        self.depthwise: set[str] = set()
        self.elsewhere: set[str] = set()
        self._inside = False  # a depthwise convolution
        self._source: dict[int, str] = {}
        self._alive: list[Tensor] = []  # no id is used twice

    def note(self, tensor: Tensor, name: str) -> None:
        """The tensor is a norm's output, or made of it entry by entry."""
        self._source[id(tensor)] = name
        self._alive.append(tensor)

    def enter(self, _module: nn.Module, inputs: tuple) -> None:
        """A depthwise convolution begins."""
        self.depthwise.update(self._names(inputs))
        self._inside = True

    def leave(self, *_) -> None:
        """It ends."""
        self._inside = False

    def read_elsewhere(self, tree: object) -> None:
        """Something that is no depthwise convolution reads these."""
        self.elsewhere.update(self._names(tree))

    def _names(self, tree: object) -> set[str]:
        return {self._source[id(x)] for x in tree_leaves(tree) if id(x) in self._source}

    def __torch_function__(self, func, types, args=(), kwargs=None):
        kwargs = kwargs or {}
        result = func(*args, **kwargs)
        names = self._names((args, kwargs))
        # Questions such as ``x.shape`` or ``x.dim()`` read no values.
        made = [x for x in tree_leaves(result) if isinstance(x, Tensor)]
        if self._inside or not names or not made:
            return result
        shapes = {x.shape for x in tree_leaves((args, kwargs)) if isinstance(x, Tensor)}
        if len(names) == len(made) == 1 and shapes == {made[0].shape}:
            self.note(made[0], names.pop())
        else:
            self.elsewhere |= names
        return result
