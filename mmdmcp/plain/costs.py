"""What a module costs as it is."""

from torch import nn

from ..cost.count import count
from ..modes import eval_mode
from .inputs import ExampleInputs, runner
from .tracing import device_of


def cost_of(model: nn.Module, example_inputs: ExampleInputs) -> dict[str, int]:
    """Multiply-accumulates of a call, by torch's own count, and parameters.

    Behind ``mmdmcp.cost(model, example_inputs)``. Nothing is traced: it
    counts any module, pruned or not.

    Args:
        model: Any module.
        example_inputs: What it is called with, as for :func:`prune`; moved
            to the model's device.

    Returns:
        ``{'macs': int, 'params': int}``.
    """
    with eval_mode(model):
        macs = count(runner(model, example_inputs, device_of(model)))
    return dict(macs=macs, params=sum(p.numel() for p in model.parameters()))
