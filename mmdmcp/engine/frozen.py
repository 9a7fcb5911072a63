"""Things that hold still while the architecture trains."""

from collections.abc import Iterator
from contextlib import contextmanager

from torch import nn
from torch.nn.modules.instancenorm import _InstanceNorm

from ..layers import BATCH_NORMS


@contextmanager
def frozen_weights(model: nn.Module) -> Iterator[None]:
    """No parameter of the model needs a gradient inside."""
    trainable = [p for p in model.parameters() if p.requires_grad]
    for parameter in trainable:
        parameter.requires_grad_(False)
    try:
        yield
    finally:
        for parameter in trainable:
            parameter.requires_grad_(True)


@contextmanager
def frozen_statistics(model: nn.Module) -> Iterator[None]:
    """Norms use the batch's statistics and keep none of them.

    Those in eval mode go on to use the running ones.
    """
    norms = [
        m
        for m in model.modules()
        if isinstance(m, BATCH_NORMS) and m.track_running_stats
    ]
    # An instance norm writes into the statistics it has, tracked or not.
    instance = [
        (m, m.running_mean, m.running_var)
        for m in model.modules()
        if isinstance(m, _InstanceNorm) and m.training
    ]
    for norm in norms:
        norm.track_running_stats = False
    for module, *_ in instance:
        module.running_mean = module.running_var = None
    try:
        yield
    finally:
        for norm in norms:
            norm.track_running_stats = True
        for module, mean, variance in instance:
            module.running_mean, module.running_var = mean, variance
