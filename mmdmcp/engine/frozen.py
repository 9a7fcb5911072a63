"""Things that hold still while the architecture trains."""
from contextlib import contextmanager
from typing import Iterator

from torch import nn

from ..ops import BATCH_NORMS


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
    """Batch norms use the batch's statistics and keep none of them."""
    norms = [m for m in model.modules()
             if isinstance(m, BATCH_NORMS) and m.track_running_stats]
    for norm in norms:
        norm.track_running_stats = False
    try:
        yield
    finally:
        for norm in norms:
            norm.track_running_stats = True
