"""Where marginals and gates act: on every channel once.

A layer's outputs carry them unless something else does, or undoes it. One
forward pass shows which layers those are: who reads what a layer, or a
norm, has made.
"""

from collections.abc import Callable
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode
from torch.utils._pytree import tree_leaves

from ..layers import LayerKind, kind_of

_PRODUCTS = {'mul', 'mul_', 'multiply', '__mul__', '__rmul__', '__imul__'}


@dataclass
class GateSites:
    """Layers whose outputs are not scaled, by the reason; ``name in sites``
    tells whether a layer's are.

    Attributes:
        normalised: Layers whose output goes straight into normalisations,
            and nowhere else: these would undo a scale.
        factors: Layers whose output, activated, multiplies whole feature
            maps, which are scaled already: the last one of a
            squeeze-and-excitation.
        gated_later: Norms whose output, activated, only depthwise
            convolutions read that are normalised in turn. A gate on both
            norms closes a channel twice. Behind the first one the second
            sees next to nothing and can't scale it up again, so the slope
            of a closed gate would be zero: nothing could open it. The
            second alone closes the channel as well.
    """

    normalised: set[str] = field(default_factory=set)
    factors: set[str] = field(default_factory=set)
    gated_later: set[str] = field(default_factory=set)

    def __contains__(self, name: str) -> bool:
        return name not in self.normalised | self.factors | self.gated_later


@torch.no_grad()
def find_gate_sites(
    model: nn.Module, run: Callable[[], object], close_channels: bool = False
) -> GateSites:
    """Run the model once and see where its channels are to be scaled.

    Args:
        model: The model.
        run: Runs one sample through it.
        close_channels: Whether the scales may be zero, as gates are.
            Without that, a norm is scaled whatever comes later.
    """
    readers = _Readers()
    handles = []
    for name, module in model.named_modules():
        kind = kind_of(module)
        if kind is not None:
            handles += [
                module.register_forward_pre_hook(readers.enter(name, kind)),
                module.register_forward_hook(readers.leave(name, kind)),
            ]
    try:
        with readers:
            output = run()
    finally:
        for handle in handles:
            handle.remove()
    readers.read('output', _tensors(output), [])
    return readers.sites(close_channels)


class _Readers(TorchFunctionMode):
    """Notes who reads the outputs of layers and norms.

    Each is followed through the operations that change it entry by entry.
    """

    def __init__(self) -> None:
        super().__init__()
        # Layers that norms read, that anything else reads, and that
        # multiply larger tensors.
        self._by_norms: set[str] = set()
        self._by_others: set[str] = set()
        self._factors: set[str] = set()
        # Norms that anything but a depthwise convolution reads, and who
        # those are that read the others.
        self._norms_by_others: set[str] = set()
        self._depthwise: dict[str, set[str]] = {}
        self._running = {'norm': 0, 'per channel': 0}
        self._norms: set[str] = set()
        self._made: dict[int, str] = {}  # by the id of a layer's output
        self._source: dict[int, str] = {}  # and of what was made of it
        self._alive: list[Tensor] = []  # no id is used twice

    def sites(self, close_channels: bool) -> GateSites:
        """What the pass has shown."""
        normalised = self._by_norms - self._by_others
        later = {
            norm
            for norm, layers in self._depthwise.items()
            if norm not in self._norms_by_others and layers <= normalised
        }
        return GateSites(normalised, self._factors, later if close_channels else set())

    # ---- layers ------------------------------------------------------

    def enter(self, name: str, kind: LayerKind) -> Callable:
        """A hook for before the layer of that name runs."""

        def hook(_module: nn.Module, inputs: tuple) -> None:
            if kind.normalises:
                self._by_norms.update(self._layers(inputs, self._made))
            elif not kind.makes_channels and kind.scalable:
                for norm in self._norms.intersection(self._layers(inputs)):
                    self._depthwise.setdefault(norm, set()).add(name)
            self._count(kind, 1)

        return hook

    def leave(self, name: str, kind: LayerKind) -> Callable:
        """A hook for after it has run."""

        def hook(_module: nn.Module, inputs: tuple, output: Tensor) -> None:
            self._count(kind, -1)
            if not kind.scalable:  # scales with its input
                sources = self._layers(inputs)
                if sources:
                    self._note(output, sources[0])
                return
            self._note(output, name)
            if kind.normalises:
                self._norms.add(name)
            else:
                self._made[id(output)] = name

        return hook

    def _count(self, kind: LayerKind, step: int) -> None:
        if kind.normalises:
            self._running['norm'] += step
        elif not kind.makes_channels:
            self._running['per channel'] += step

    def _note(self, tensor: Tensor, name: str) -> None:
        """The tensor is the output of that layer, or made of it."""
        self._source[id(tensor)] = name
        self._alive.append(tensor)

    def _layers(self, tree: object, of: dict[int, str] | None = None) -> list[str]:
        """The layers behind some tensors."""
        of = self._source if of is None else of
        return [of[id(x)] for x in _tensors(tree) if id(x) in of]

    # ---- operations --------------------------------------------------

    def __torch_function__(self, func, types, args=(), kwargs=None):
        kwargs = kwargs or {}
        result = func(*args, **kwargs)
        made = _tensors(result)
        if made:  # questions such as ``x.shape`` or ``x.dim()`` read no values
            self.read(func.__name__, _tensors((args, kwargs)), made)
        return result

    def read(self, operation: str, tensors: list[Tensor], made: list[Tensor]) -> None:
        """An operation reads tensors and makes others."""
        if not self._running['norm']:
            self._by_others.update(self._layers(tensors, self._made))
        sources = set(self._layers(tensors))
        norms = sources & self._norms
        if operation in _PRODUCTS and len(tensors) == 2:
            small, large = sorted(tensors, key=Tensor.numel)
            if small.numel() < large.numel():
                self._factors.update({*self._layers(small)} - self._norms)
        elif len(tensors) == len(made) == 1 and tensors[0].numel() == made[0].numel():
            for layer in sources - norms:
                self._note(made[0], layer)
        if not norms or self._running['per channel']:
            return
        if len(norms) == len(made) == 1 and {x.shape for x in tensors} == {
            made[0].shape
        }:
            self._note(made[0], norms.pop())
        else:
            self._norms_by_others |= norms


def _tensors(tree: object) -> list[Tensor]:
    return [x for x in tree_leaves(tree) if isinstance(x, Tensor)]
