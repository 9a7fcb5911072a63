"""What starts from a trained full network: gates, and one-shot importance.

Half of the iterations train the full network, the other half the gates.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import nn

from mmdmcp.files import atomic_file
from mmdmcp.methods import SearchOptimWrapperConstructor
from mmdmcp.registry import MODELS, OPTIM_WRAPPERS

from .plan import INPUT_SHAPE
from .records import locked
from .search import Meter, cosine, half_precision

_SAVE_EVERY = 50


def full_network(bench: Any, seed: int) -> tuple[nn.Module, int]:
    """The full network, trained for half of a search's iterations.

    Returns:
        The network, and the multiply-accumulates that it took.
    """
    torch.manual_seed(seed)
    iterations, device = bench.iterations // 2, bench.data.device
    model = bench.table.model().to(device, memory_format=torch.channels_last).train()
    optimiser = torch.optim.SGD(
        model.parameters(), 0.05, momentum=0.9, weight_decay=5e-4, nesterov=True
    )
    wrapper = OPTIM_WRAPPERS.build(dict(half_precision(device), optimizer=optimiser))
    path = (
        bench.folder / f'full_s{seed}_b{bench.batch}_n{iterations}_{bench.size}px.pth'
    )

    def step(number: int) -> None:
        optimiser.param_groups[0]['lr'] = cosine(0.05, 0.0, number / iterations)
        model.train_step(bench.data.train_batch(seed, number, bench.batch), wrapper)

    with locked(path.with_suffix('.lock')):
        train(path, dict(model=model, optimiser=wrapper), step, iterations)
    return model, bench.plain * iterations


def importance(criterion: str) -> Callable[..., dict]:
    """Importance pruning in one shot: how many channels it leaves of each
    position of the trained network, and the table's network nearest to it."""

    def arm(bench: Any, share: float, seed: int) -> dict:
        model, macs = full_network(bench, seed)
        algorithm = MODELS.build(
            dict(
                type='mmdmcp.ImportancePruning',
                architecture=model,
                target=round(bench.target(share)),
                input_shape=INPUT_SHAPE,
                mutator=dict(criterion=criterion),
            )
        ).to(bench.data.device)
        batches = []
        if algorithm.needs_batches:
            batches = [
                bench.data.train_batch(seed + 1000, number, bench.batch)
                for number in range(algorithm.batches)
            ]
            macs += bench.plain * len(batches)
        algorithm.train()
        algorithm.prune(batches=batches)
        counts = [len(kept) for kept in algorithm.mutator.selections]
        return dict(
            widths=bench.table.nearest(counts, bench.target(share)),
            counts=counts,
            macs=macs,
        )

    return arm


def gates(bench: Any, share: float, seed: int) -> dict:
    """Trainable gates: how many channels of each position they leave open,
    and the table's network nearest to it."""
    model, macs = full_network(bench, seed)
    iterations = bench.iterations - bench.iterations // 2
    algorithm = MODELS.build(
        dict(
            type='mmdmcp.TrainableGate',
            architecture=model,
            target=round(bench.target(share)),
            input_shape=INPUT_SHAPE,
        )
    ).to(bench.data.device)
    algorithm.schedule.set_length(iterations)
    # By the rule of docs/gate.md: 5 over the iterations of the ramp.
    rate = 5 / algorithm.schedule.iteration_at(algorithm.schedule.ramp)
    wrapper = half_precision(bench.data.device)
    sgd = dict(type='SGD', lr=0.025, momentum=0.9, weight_decay=5e-4, nesterov=True)
    wrappers = SearchOptimWrapperConstructor(
        dict(
            architecture=dict(**wrapper, optimizer=sgd),
            mutator=dict(**wrapper, optimizer=dict(type='Adam', lr=rate)),
        )
    )(algorithm)
    algorithm.train()
    algorithm.mutator.start()
    full = algorithm.cost_of('max')['macs']  # closed channels run, too
    meter = Meter(model, lambda: full)

    def step(number: int) -> None:
        group = wrappers['architecture'].optimizer.param_groups[0]
        group['lr'] = cosine(0.025, 0.0, number / iterations)
        batch = bench.data.train_batch(seed + 1000, number, bench.batch)
        with meter.watching():
            algorithm.train_step(batch, wrappers)

    path = (
        bench.folder
        / f'gates_{share}_s{seed}_b{bench.batch}_n{iterations}_{bench.size}px.pth'
    )
    parts = dict(
        algorithm=algorithm,
        weights=wrappers['architecture'],
        gates=wrappers['mutator'],
        meter=meter,
    )
    train(path, parts, step, iterations)
    counts = algorithm.set_widths('open')
    return dict(
        widths=bench.table.nearest(counts, bench.target(share)),
        counts=counts,
        macs=macs + meter.macs,
    )


def train(
    path: Path,
    parts: dict[str, Any],
    step: Callable[[int], None],
    iterations: int,
    every: int = _SAVE_EVERY,
) -> None:
    """Make the steps that a checkpoint lacks, and save on the way.

    Args:
        path: The checkpoint.
        parts: What has a ``state_dict``.
        step: Makes the step of a number.
        iterations: How many.
        every: Steps between two checkpoints.
    """
    done = 0
    if path.exists():
        state = torch.load(path, weights_only=True, map_location='cpu')
        done = state.pop('done')
        for name, part in parts.items():
            part.load_state_dict(state[name])
    for number in range(done, iterations):
        step(number)
        if (number + 1) % every == 0 or number + 1 == iterations:
            state = {name: part.state_dict() for name, part in parts.items()}
            with atomic_file(path) as file:
                torch.save(dict(state, done=number + 1), file)
