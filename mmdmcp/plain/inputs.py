"""Example inputs: what a model is called with."""

from collections.abc import Callable, Mapping

import torch
from torch import Tensor, nn
from torch.utils._pytree import tree_leaves, tree_map

from ..errors import ConfigError

#: ``model(x)``, ``model(*inputs)`` or ``model(**inputs)``.
ExampleInputs = Tensor | tuple | list | Mapping


def runner(
    model: nn.Module, example_inputs: ExampleInputs, device: torch.device | str | None
) -> Callable[[], object]:
    """A function that runs the model on the example inputs.

    Args:
        model: The model.
        example_inputs: A tensor; a tuple or list, whose items are the
            arguments; or a dict of arguments by name. A model whose one
            argument is a dict takes ``(that dict,)``.
        device: Where the tensors are moved to; None leaves them.

    Raises:
        ConfigError: If there is no tensor among them.
    """
    tensors = [x for x in tree_leaves(example_inputs) if isinstance(x, Tensor)]
    if not tensors:
        raise ConfigError(
            f'example_inputs={example_inputs!r}: give what the model is called '
            'with: a tensor, a tuple of arguments, or a dict of arguments by name'
        )

    def moved(value: object) -> object:
        return value.detach().to(device) if isinstance(value, Tensor) else value

    inputs = tree_map(moved, example_inputs)
    if isinstance(inputs, Mapping):
        return lambda: model(**inputs)
    if isinstance(inputs, (tuple, list)):
        return lambda: model(*inputs)
    return lambda: model(inputs)


def sample_shape(example_inputs: ExampleInputs) -> tuple[int, ...]:
    """Shape of one sample of the first tensor, for messages and files."""
    first = next(x for x in tree_leaves(example_inputs) if isinstance(x, Tensor))
    return tuple(first.shape[1:]) or (1,)
