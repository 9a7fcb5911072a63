"""At how many positions a layer's weights are applied, read once.

The multiply-accumulates of a convolution or linear layer are its weight's
multiply-accumulates at one position times the number of positions. The
positions depend on the input size only, never on the widths.
"""

from collections.abc import Callable

import torch
from torch import nn

from ..layers import LayerKind, kind_of


@torch.no_grad()
def read_positions(model: nn.Module, run: Callable[[], object]) -> dict[str, int]:
    """Positions of every layer that multiplies, summed over its calls.

    Args:
        model: The model.
        run: Runs one sample through it.
    """
    found: dict[str, int] = {}

    def note(name: str, kind: LayerKind):

        def hook(module, args, kwargs, output):
            x = args[0] if args else next(iter(kwargs.values()))
            count = kind.positions(module, x, output)
            found[name] = found.get(name, 0) + count

        return hook

    handles = []
    for name, module in model.named_modules():
        kind = kind_of(module)
        if kind is not None and kind.kernel(module):
            handles.append(
                module.register_forward_hook(note(name, kind), with_kwargs=True)
            )
    try:
        run()
    finally:
        for handle in handles:
            handle.remove()
    return found
