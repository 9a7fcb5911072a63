"""The ways to a small network that are compared.

An arm gets a :class:`Run` and returns a :class:`Start`: the network that the
recipe trains, or goes on with, and what it cost to come so far.
"""

import time
from collections.abc import Callable
from typing import Any

import numpy as np

from mmdmcp.cost.bisect import used_up_at
from mmdmcp.methods import SearchOptimWrapperConstructor
from mmdmcp.plain.uniform import balanced_subnet
from mmdmcp.registry import MODELS
from mmdmcp.subnet import Subnet

from ..widths.arms import candidates
from ..widths.plan import INPUT_SHAPE, as_fitted, as_shipped
from ..widths.search import half_precision
from .runs import Run, Start
from .training import RATE, SGD, TUNING_RATE, run_phase

#: Arms that prune nothing, and arms that search before they train.
WHOLE = ('full', 'full_tuned')
SEARCHED = ('dmcp', 'dmcp_fitted', 'layers', 'random', 'mmrazor_dmcp')
_RANDOM = 30  # networks that its supernet ranks


Arm = Callable[[Run], Start]


def full(run: Run) -> Start:
    """The full network."""
    return run.scratch(run.space.model())


def full_tuned(run: Run) -> Start:
    """The full network in the two halves of the arms that prune it."""
    return run.half()


def uniform(run: Run) -> Start:
    """Every stage narrowed alike, from scratch."""
    return run.scratch(run.space.uniform(run.share))


def dmcp(run: Run) -> Start:
    """DMCP's network, from scratch: the candidate that its supernet finds most
    accurate."""
    return _found(run, as_shipped)


def fitted(run: Run) -> Start:
    """The same of a search whose chains start where the pairs say."""
    return _found(run, as_fitted)


def layers(run: Run) -> Start:
    """The network that such a search would start at if it saw no images: every
    layer is worth the same. From scratch."""

    def search() -> tuple[Subnet, int, float]:
        algorithm = searchable(run)
        mutator = algorithm.mutator
        steps = [unit.steps for unit in mutator.units]
        subnet = balanced_subnet(
            mutator.supernet, algorithm.budget, steps, algorithm.tolerance
        )
        return subnet, 0, 0.0

    return run.found(search)


def searchable(run: Run) -> Any:
    """A search for the target that has not begun."""
    return MODELS.build(
        dict(
            type='mmdmcp.DMCP',
            architecture=run.space.model(),
            target=run.target,
            input_shape=INPUT_SHAPE,
            tolerance=run.space.tolerance,
            distillation=run.space.logits,
            mutator=run.space.mutator({}),
        )
    )


def _found(run: Run, plan_of: Callable[..., dict]) -> Start:
    def search() -> tuple[Subnet, int, float]:
        done, seconds = run.searched(plan_of)
        start = time.process_time()
        found = candidates(done, run.ranking(done, 'accuracy'))
        seconds += time.process_time() - start
        return done.algorithm.export_subnet(found['widths']), found['macs'], seconds

    return run.found(search)


def random(run: Run) -> Start:
    """The best of 30 random networks, by the held-out loss of DMCP's supernet,
    from scratch."""

    def search() -> tuple[Subnet, int, float]:
        done, seconds = run.searched(as_shipped)
        start = time.process_time()
        ranking = run.ranking(done, 'loss')
        widths = ranking.best(random_networks(done.algorithm, _RANDOM, run.seed))
        seconds += time.process_time() - start
        subnet = done.algorithm.export_subnet(widths)
        return subnet, done.meter.macs + ranking.macs, seconds

    return run.found(search)


def random_networks(algorithm: Any, number: int, seed: int) -> list[list[int]]:
    """Different random networks within the tolerance of the target.

    Ratios drawn evenly for each unit are raised to the power that puts the
    network at the target, and rounded to the grid.
    """
    rng = np.random.default_rng(seed)
    units, budget = algorithm.mutator.units, algorithm.budget
    found: dict[tuple[int, ...], None] = {}
    while len(found) < number:
        ratios = rng.uniform(0.1, 1.0, len(units))

        def at(power: float, ratios: np.ndarray = ratios) -> tuple[int, ...]:
            wanted = [u.num_channels * r for u, r in zip(units, ratios**power)]
            return tuple(
                min(unit.grid, key=lambda width: abs(width - want))
                for unit, want in zip(units, wanted)
            )

        def used(power: float, at: Callable = at) -> float:
            return budget.used(algorithm.mutator.cost_of(at(power)))

        network = at(used_up_at(used, 16.0, 0.0, 20))
        if budget.gap(algorithm.mutator.cost_of(network)) <= algorithm.tolerance:
            found[network] = None
    return [list(widths) for widths in found]


def importance(run: Run) -> Start:
    """Importance pruning (l2) in one shot of the half-trained network, then
    trained for the other half."""
    start = run.half()
    algorithm = MODELS.build(
        dict(
            type='mmdmcp.ImportancePruning',
            architecture=start.net,
            target=run.target,
            input_shape=INPUT_SHAPE,
            mutator=dict(criterion='l2'),
        )
    )
    algorithm.prune()
    algorithm.export_subnet().save(run.folder / f'{run.name}.yaml')
    start.net = algorithm.cut()
    return start


def gates(run: Run) -> Start:
    """Trainable gates on the half-trained network for the other half; what
    they leave open, with its weights."""
    start = run.half()
    algorithm = MODELS.build(
        dict(
            type='mmdmcp.TrainableGate',
            architecture=start.net,
            target=run.target,
            input_shape=INPUT_SHAPE,
        )
    ).to(run.data.device)
    schedule = algorithm.schedule
    schedule.set_length(len(run.recipe.phase(run.data, 1)))
    half = half_precision(run.data.device)
    # By the rule of docs/gate.md: 5 over the iterations of the ramp.
    rate = 5 / schedule.iteration_at(schedule.ramp)
    wrappers = SearchOptimWrapperConstructor(
        dict(
            architecture=dict(**half, optimizer=dict(type='SGD', lr=RATE, **SGD)),
            mutator=dict(**half, optimizer=dict(type='Adam', lr=rate)),
        )
    )(algorithm)
    algorithm.train()
    algorithm.mutator.start()

    def step(batch: dict, ratio: float) -> None:
        group = wrappers['architecture'].optimizer.param_groups[0]
        group['lr'] = TUNING_RATE * ratio
        algorithm.train_step(batch, wrappers)

    parts = dict(
        algorithm=algorithm,
        weights=wrappers['architecture'],
        gates=wrappers['mutator'],
    )
    path = run.folder / f'{run.name}.pth'
    start.seconds += run_phase(path, parts, step, run.data, run.recipe, half=1)
    algorithm.export_subnet('open').save(run.folder / f'{run.name}.yaml')
    start.net, start.trained = algorithm.cut('open'), True
    return start
