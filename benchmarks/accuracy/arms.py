"""The ways to a small network that are compared.

An arm gets a :class:`Run` and returns a trained network and what is worth
keeping about it: ``seconds`` of training, and where something was searched
``search_macs`` and ``search_seconds``.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from mmdmcp.methods import SearchOptimWrapperConstructor
from mmdmcp.plain.uniform import balanced_subnet
from mmdmcp.registry import MODELS
from mmdmcp.subnet import Subnet, apply

from ..widths.arms import candidates
from ..widths.ranking import Ranking
from ..widths.records import locked
from ..widths.search import INPUT_SHAPE, Plan, Search, as_fitted, as_shipped
from .networks import CifarNet, ResNetSpace
from .training import RATE, SGD, TUNING_RATE, Recipe, run_phase, train_net

_RANDOM = 30  # networks that its supernet ranks


@dataclass(frozen=True)
class Run:
    """One arm at one target with one seed.

    Attributes:
        space: The network.
        data: The images, for training and the test.
        small: The images, for a search.
        folder: Where checkpoints are.
        recipe: Length and batches of the training.
        share: The target as a ratio of the full network.
        name: Of its checkpoints.
        search: Iterations, batch and image size of a search.
    """

    space: ResNetSpace
    data: Any
    small: Any
    folder: Path
    recipe: Recipe
    share: float
    name: str
    search: tuple[int, int, int] = (500, 64, 16)

    @property
    def seed(self) -> int:
        """Of weights, batches and draws."""
        return self.recipe.seed

    @property
    def target(self) -> int:
        """Multiply-accumulates aimed at."""
        return round(self.share * self.space.full_macs)

    def scratch(self, net: CifarNet, **found: Any) -> tuple[nn.Module, dict]:
        """A network trained from scratch."""
        torch.manual_seed(self.seed)
        net.initialise()
        seconds = train_net(self.folder / f'{self.name}.pth', net, *self._settings)
        return net, dict(seconds=seconds, **found)

    def half(self) -> tuple[CifarNet, float]:
        """The full network after half of the iterations, and its seconds."""
        torch.manual_seed(self.seed)
        net = self.space.model()
        recipe = self.recipe
        path = self.folder / (
            f'half_e{recipe.epochs}_b{recipe.batch}_s{recipe.seed}.pth'
        )
        with locked(path.with_suffix('.lock')):
            return net, train_net(path, net, *self._settings, half=0)

    def tuned(self, net: nn.Module, before: float) -> tuple[nn.Module, dict]:
        """A network that was cut out of that one, after the other half."""
        path = self.folder / f'{self.name}.pth'
        after = train_net(path, net, *self._settings, half=1)
        return net, dict(seconds=before + after)

    @property
    def _settings(self) -> tuple[Any, Recipe]:
        return self.data, self.recipe

    def searched(self, plan_of: Callable[..., dict]) -> tuple[Search, float]:
        """A finished search for the target, and its seconds in this process.

        Args:
            plan_of: What it is like: of `dmcp_exp` or `dmcp_fitted` in
                benchmarks/widths.
        """
        iterations, batch, size = self.search
        plan = Plan(
            share=self.share,
            seed=self.seed,
            iterations=iterations,
            batch=batch,
            size=size,
            **plan_of(iterations),
        )
        search = Search(self.space, self.small, plan, self.folder / 'searches')
        start = time.process_time()
        with locked(search.shared.with_suffix('.lock')):
            search.run(until=search.start)
        with locked(self.folder / 'searches' / f'{plan.name}.lock'):
            search.run()
        return search, time.process_time() - start

    def ranking(self, search: Search, by: str) -> Ranking:
        """By a finished search."""
        path = search.weights.with_suffix('.jsonl')
        return Ranking(search.algorithm, self.small, path, by)


Arm = Callable[[Run], tuple[nn.Module, dict]]


def full(run: Run) -> tuple[nn.Module, dict]:
    """The full network."""
    return run.scratch(run.space.model())


def uniform(run: Run) -> tuple[nn.Module, dict]:
    """Every stage narrowed alike, from scratch."""
    return run.scratch(run.space.uniform(run.share))


def dmcp(run: Run) -> tuple[nn.Module, dict]:
    """DMCP's network, from scratch: the candidate that its supernet finds most
    accurate."""
    return _found(run, as_shipped)


def fitted(run: Run) -> tuple[nn.Module, dict]:
    """The same of a search whose chains start where the pairs say."""
    return _found(run, as_fitted)


def layers(run: Run) -> tuple[nn.Module, dict]:
    """The network that such a search would start at if it saw no images: every
    layer is worth the same. From scratch."""
    algorithm = MODELS.build(
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
    mutator = algorithm.mutator
    steps = [unit.steps for unit in mutator.units]
    subnet = balanced_subnet(
        mutator.supernet, algorithm.budget, steps, algorithm.tolerance
    )
    return _retrained(run, subnet)


def _found(run: Run, plan_of: Callable[..., dict]) -> tuple[nn.Module, dict]:
    search, seconds = run.searched(plan_of)
    start = time.process_time()
    found = candidates(search, run.ranking(search, 'accuracy'))
    seconds += time.process_time() - start
    subnet = search.algorithm.export_subnet(found['widths'])
    return _retrained(run, subnet, found['macs'], seconds)


def random(run: Run) -> tuple[nn.Module, dict]:
    """The best of 30 random networks, by the held-out loss of DMCP's supernet,
    from scratch."""
    search, seconds = run.searched(as_shipped)
    start = time.process_time()
    ranking = run.ranking(search, 'loss')
    widths = ranking.best(random_networks(search.algorithm, _RANDOM, run.seed))
    seconds += time.process_time() - start
    subnet = search.algorithm.export_subnet(widths)
    return _retrained(run, subnet, search.meter.macs + ranking.macs, seconds)


def _retrained(
    run: Run, subnet: Subnet, macs: int = 0, seconds: float = 0.0
) -> tuple[nn.Module, dict]:
    subnet.save(run.folder / f'{run.name}.yaml')
    return run.scratch(
        apply(run.space.model(), subnet), search_macs=macs, search_seconds=seconds
    )


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

        low, high = 0.0, 16.0
        for _ in range(20):
            middle = (low + high) / 2
            over = budget.used(algorithm.mutator.cost_of(at(middle))) > 1
            low, high = (middle, high) if over else (low, middle)
        if budget.gap(algorithm.mutator.cost_of(at(high))) <= algorithm.tolerance:
            found[at(high)] = None
    return [list(widths) for widths in found]


def importance(run: Run) -> tuple[nn.Module, dict]:
    """Importance pruning (l2) in one shot of the half-trained network, then
    trained for the other half."""
    net, seconds = run.half()
    algorithm = MODELS.build(
        dict(
            type='mmdmcp.ImportancePruning',
            architecture=net,
            target=run.target,
            input_shape=INPUT_SHAPE,
            mutator=dict(criterion='l2'),
        )
    )
    algorithm.prune()
    algorithm.export_subnet().save(run.folder / f'{run.name}.yaml')
    return run.tuned(algorithm.cut(), seconds)


def gates(run: Run) -> tuple[nn.Module, dict]:
    """Trainable gates on the half-trained network for the other half; what
    they leave open, with its weights."""
    net, seconds = run.half()
    algorithm = MODELS.build(
        dict(
            type='mmdmcp.TrainableGate',
            architecture=net,
            target=run.target,
            input_shape=INPUT_SHAPE,
        )
    )
    schedule = algorithm.schedule
    schedule.set_length(len(run.recipe.phase(run.data, 1)))
    wrappers = SearchOptimWrapperConstructor(
        dict(
            architecture=dict(
                type='mmdmcp.CPUAmpOptimWrapper',
                optimizer=dict(type='SGD', lr=RATE, **SGD),
            ),
            mutator=dict(
                type='mmdmcp.CPUAmpOptimWrapper',
                # By the rule of docs/gate.md: 5 over the iterations of the ramp.
                optimizer=dict(
                    type='Adam', lr=5 / schedule.iteration_at(schedule.ramp)
                ),
            ),
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
    seconds += run_phase(path, parts, step, run.data, run.recipe, half=1)
    subnet: Subnet = algorithm.export_subnet('open')
    subnet.save(run.folder / f'{run.name}.yaml')
    return algorithm.cut('open'), dict(seconds=seconds)
