"""What each layer does in one forward pass, read once.

The multiply-accumulates of a convolution or linear layer are its weight's
multiply-accumulates at one position times the number of positions. The
positions depend on the input size only, never on the widths.
"""

from collections.abc import Callable
from dataclasses import dataclass, field

import torch
from torch import nn
from torch.overrides import TorchFunctionMode
from torch.utils._pytree import tree_leaves

from ..ops import CONVS, NORMS

_PRODUCTS = {'mul', 'mul_', 'multiply', '__mul__', '__rmul__', '__imul__'}
MATMULS = CONVS + (nn.Linear,)


@dataclass
class Geometry:
    """What one forward pass of a model showed.

    Attributes:
        positions: Layer name to the number of positions its weight is
            applied at, a sample, summed over its calls.
        normalised: Names of layers whose output goes straight into
            normalisation layers, and nowhere else.
        factors: Names of layers whose output, activated, multiplies whole
            feature maps: the last layer of a squeeze-and-excitation.
        passed_on: Names of norms that need no gate, since a later norm has
            the same one. Not read here.
    """

    positions: dict[str, int] = field(default_factory=dict)
    normalised: set[str] = field(default_factory=set)
    factors: set[str] = field(default_factory=set)
    passed_on: set[str] = field(default_factory=set)


@torch.no_grad()
def read_geometry(model: nn.Module, run: Callable[[], object]) -> Geometry:
    """Run the model once and note what each layer does.

    Transposed convolutions are never narrowed, and left out.

    Args:
        model: The model.
        run: Runs one sample through it.
    """
    found = Geometry()
    # The tensors themselves are kept until the pass is over: an id() may be
    # used again once its tensor is gone.
    producer: dict[int, str] = {}
    alive: list[torch.Tensor] = []
    elsewhere = _OutsideNorms(producer)
    factors = _Factors()

    def note(name: str, module: nn.Module):

        def hook(_, inputs, output):
            found.positions.setdefault(name, 0)
            if isinstance(module, NORMS):
                elsewhere.norms -= 1
                source = producer.get(id(inputs[0]))
                if source is not None:
                    found.normalised.add(source)
                return
            found.positions[name] += _positions(module, output)
            producer[id(output)] = name
            factors.note(output, name)
            alive.append(output)

        return module.register_forward_hook(hook)

    handles = [
        note(name, module)
        for name, module in model.named_modules()
        if isinstance(module, MATMULS + NORMS)
    ]
    handles += [
        module.register_forward_pre_hook(elsewhere.enter_norm)
        for module in model.modules()
        if isinstance(module, NORMS)
    ]
    try:
        with elsewhere, factors:
            run()
    finally:
        for handle in handles:
            handle.remove()
    found.normalised -= elsewhere.names
    found.factors = factors.names
    return found


class _OutsideNorms(TorchFunctionMode):
    """Notes whose outputs something else than a normalisation reads.

    A convolution may feed a norm and, past it, a residual sum.

    Args:
        producer: ``id`` of a tensor to the name of the layer that made it.

    Attributes:
        names: Names of those layers.
        norms: Normalisation layers that are running.
    """

    def __init__(self, producer: dict[int, str]) -> None:
        super().__init__()
        self.producer = producer
        self.names: set[str] = set()
        self.norms = 0

    def enter_norm(self, _module: nn.Module, _inputs: tuple) -> None:
        self.norms += 1

    def __torch_function__(self, func, types, args=(), kwargs=None):
        kwargs = kwargs or {}
        result = func(*args, **kwargs)
        # Questions such as ``x.shape`` or ``x.dim()`` read no values.
        if not self.norms and _tensors(result):
            self.names.update(
                self.producer[id(value)]
                for value in _tensors((args, kwargs))
                if id(value) in self.producer
            )
        return result


class _Factors(TorchFunctionMode):
    """Notes which layers' outputs multiply larger tensors.

    Attributes:
        names: Names of those layers.
    """

    def __init__(self) -> None:
        super().__init__()
        self.names: set[str] = set()
        self._source: dict[int, str] = {}
        self._alive: list[torch.Tensor] = []  # no id is used twice

    def note(self, tensor: torch.Tensor, name: str) -> None:
        """The tensor is a layer's output, or made of it entry by entry."""
        self._source[id(tensor)] = name
        self._alive.append(tensor)

    def __torch_function__(self, func, types, args=(), kwargs=None):
        result = func(*args, **(kwargs or {}))
        read, made = _tensors((args, kwargs)), _tensors(result)
        if func.__name__ in _PRODUCTS and len(read) == 2:
            small, large = sorted(read, key=torch.Tensor.numel)
            if small.numel() < large.numel() and id(small) in self._source:
                self.names.add(self._source[id(small)])
        elif (
            len(read) == len(made) == 1
            and id(read[0]) in self._source
            and read[0].numel() == made[0].numel()
        ):
            self.note(made[0], self._source[id(read[0])])
        return result


def _tensors(tree: object) -> list[torch.Tensor]:
    return [x for x in tree_leaves(tree) if isinstance(x, torch.Tensor)]


def _positions(module: nn.Module, y: torch.Tensor) -> int:
    """Positions at which the weight is applied, for a batch of one."""
    if isinstance(module, nn.Linear):
        return y.numel() // module.out_features
    return y.numel() // module.out_channels
