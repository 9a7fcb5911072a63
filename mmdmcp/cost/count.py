"""torch's own count of what runs."""

from collections.abc import Callable

import torch
from torch.utils.flop_counter import FlopCounterMode

from ..modes import slow_attention


def count(run: Callable[[], object]) -> int:
    """Multiply-accumulates of whatever ``run`` does, without gradients.

    torch counts two FLOPs for each.
    """
    with slow_attention(), torch.no_grad(), FlopCounterMode(display=False) as counter:
        run()
    return counter.get_total_flops() // 2
