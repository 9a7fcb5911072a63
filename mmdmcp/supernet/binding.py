"""What ties a supernet to its model, and how a copy gets loose."""

import copy
from collections.abc import Iterable, Sequence
from typing import Any

from torch import Tensor, nn
from torch.overrides import TorchFunctionMode


def links(model: nn.Module, names: Iterable[str]) -> list[tuple[dict, str, nn.Module]]:
    """From the model down to some of its layers: where each module is kept.

    Returns:
        The parts of a module by name, one of these names, and that part.
    """
    found: dict[tuple[int, str], tuple[dict, str, nn.Module]] = {}
    for name in names:
        module = model
        for key in name.split('.'):
            part = module._modules.get(key)
            if part is None:  # a bare parameter
                break
            found[id(module), key] = module._modules, key, part
            module = part
    return list(found.values())


def any_replaced(found: Sequence[tuple[dict, str, nn.Module]]) -> bool:
    """Whether another module is now where one of :func:`links` was."""
    return any(modules.get(key) is not part for modules, key, part in found)


class FastPaths:
    """The fast paths of torch's transformer layers, which read whole weights
    past the layers, in inference only."""

    def __init__(self) -> None:
        self._kept: dict[str, int] = {}

    def close(self, model: nn.Module) -> None:
        """Let the model's layers run as what they are made of."""
        for name, module in model.named_modules():
            if isinstance(module, nn.TransformerEncoderLayer):
                self._kept.setdefault(name, module.activation_relu_or_gelu)
                module.activation_relu_or_gelu = 0

    def open(self, model: nn.Module) -> None:
        """Let those of the model, or of a copy, run as they did."""
        for name, value in self._kept.items():
            layer: Any = model.get_submodule(name)
            layer.activation_relu_or_gelu = value


def copied(model: nn.Module) -> nn.Module:
    """A copy of a model; of a tensor that was computed, of its value alone.

    A module may keep an activation; torch refuses to copy it with all that
    it was computed from.
    """
    with WithoutGraphs():
        return copy.deepcopy(model)


class WithoutGraphs(TorchFunctionMode):
    def __torch_function__(self, func, types, args=(), kwargs=None):
        if func is Tensor.__deepcopy__ and not args[0].is_leaf:
            tensor, memo = args
            memo[id(tensor)] = tensor.detach().clone()
            return memo[id(tensor)]
        return func(*args, **(kwargs or {}))
