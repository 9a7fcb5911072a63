"""Peak memory of a training step, as torch's allocator sees it.

Not the size of the process: that also holds what the C library keeps for
later and what the kernel library prepared, which differ from run to run.
"""

from collections.abc import Callable, Iterable

import torch
from torch import Tensor, nn


def peak(
    step: Callable[[], object],
    model: nn.Module,
    states: Iterable[Tensor],
    device: str = 'cpu',
) -> int:
    """Bytes that are held at the worst moment of a step.

    Args:
        step: A training step, after a first one; it starts and ends without
            gradients.
        model: What is trained.
        states: Tensors that the optimiser keeps.
        device: Where it runs.
    """
    kept = sum(
        t.nbytes
        for group in (model.parameters(), model.buffers(), states)
        for t in group
    )
    if device != 'cpu':
        torch.cuda.reset_peak_memory_stats()
        before = torch.cuda.memory_allocated()
        step()
        return kept + torch.cuda.max_memory_allocated() - before
    with torch.profiler.profile(
        activities=[torch.profiler.ProfilerActivity.CPU], profile_memory=True
    ) as profiler:
        step()
    events = [
        event
        for event in profiler.profiler.kineto_results.events()
        if event.name() == '[memory]'
    ]
    now = most = 0
    for event in sorted(events, key=lambda event: event.start_ns()):
        now += event.nbytes()
        most = max(most, now)
    return kept + most


def optimiser_states(optimiser: torch.optim.Optimizer) -> Iterable[Tensor]:
    """Tensors that an optimiser keeps, momentum for one."""
    for state in optimiser.state.values():
        for value in state.values():
            if isinstance(value, Tensor):
                yield value
