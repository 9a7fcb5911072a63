"""Networks trained side by side on a GPU, with the same batches.

A step of a small network is hundreds of kernels that take microseconds each:
launched one by one from Python they leave a GPU idle. So every network's step
is recorded once as a CUDA graph, which is launched as a whole, and each
network has a stream of its own. The arithmetic is that of
:func:`~.training.train_net`.
"""

import copy
import time
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from .training import RATE, SGD, TUNING_RATE, Recipe, rate_at

_WARM_UPS = 3  # before a step can be recorded


def train_together(
    nets: Sequence[nn.Module], data: Any, recipe: Recipe, half: int | None = None
) -> float:
    """Train networks for a phase.

    Args:
        nets: Plain networks; they are moved to the device of the images.
        data: The images, on a GPU.
        recipe: Length, batches.
        half: None for the whole run, 0 or 1 for a half of it.

    Returns:
        Seconds that a network took, all of them divided by their number.
    """
    # Shapes never change.
    torch.backends.cudnn.benchmark = True
    numbers, peak = recipe.phase(data, half), TUNING_RATE if half == 1 else RATE
    start = time.perf_counter()
    batch = {
        name: value.clone(memory_format=torch.preserve_format)
        for name, value in data.train_batch(
            recipe.seed, numbers[0], recipe.batch
        ).items()
    }
    rate = torch.zeros((), device=data.device)
    steps = [RecordedStep(net.to(data.device), batch, rate) for net in nets]
    main, epoch = torch.cuda.current_stream(), recipe.epoch(data)
    for done, number in enumerate(numbers, 1):
        for name, value in data.train_batch(recipe.seed, number, recipe.batch).items():
            batch[name].copy_(value)
        rate.fill_(peak * rate_at(1.0, (done - 1) / len(numbers)))
        for step in steps:
            step.replay(after=main)
        for step in steps:
            main.wait_stream(step.stream)
        if done % epoch == 0:
            torch.cuda.synchronize()
            passed = time.perf_counter() - start
            print(
                f'{len(nets)} networks, epoch {done // epoch} of '
                f'{len(numbers) // epoch}: {passed:.0f} s',
                flush=True,
            )
    torch.cuda.synchronize()
    return (time.perf_counter() - start) / len(nets)


class RecordedStep:
    """A network's training step as a CUDA graph.

    Args:
        net: The network, on a GPU.
        batch: Tensors that hold the batch whenever the step is replayed.
        rate: A tensor that holds the learning rate.

    Attributes:
        stream: Where it runs.
    """

    def __init__(self, net: nn.Module, batch: dict[str, Tensor], rate: Tensor) -> None:
        net.to(memory_format=torch.channels_last).train()
        # Fused: the one kind that reads its rate from a tensor.
        optimiser = torch.optim.SGD(net.parameters(), rate, fused=True, **SGD)

        def step() -> None:
            with torch.autocast('cuda', dtype=torch.bfloat16):
                loss = net(**batch, mode='loss')['loss']
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()

        self.stream = torch.cuda.Stream()
        self.stream.wait_stream(torch.cuda.current_stream())
        before = copy.deepcopy(net.state_dict())
        with torch.cuda.stream(self.stream):
            for _ in range(_WARM_UPS):
                step()
        torch.cuda.current_stream().wait_stream(self.stream)
        optimiser.zero_grad()
        self._graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(self._graph, stream=self.stream):
            step()
        # As if it had not been warmed up: zero is where momentum starts.
        net.load_state_dict(before)
        for state in optimiser.state.values():
            state['momentum_buffer'].zero_()
        # What the graph works on must live as long as it does.
        self._kept = net, optimiser, batch, rate

    def replay(self, after: torch.cuda.Stream) -> None:
        """Make a step once a stream has come so far."""
        self.stream.wait_stream(after)
        with torch.cuda.stream(self.stream):
            self._graph.replay()
