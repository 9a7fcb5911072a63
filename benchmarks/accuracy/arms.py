"""The ways to a small network that are compared.

An arm gets a :class:`Run` and returns a :class:`Start`: the network that the
recipe trains, or goes on with, and what it cost to come so far.
"""

import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from mmdmcp.cost.bisect import used_up_at
from mmdmcp.files import atomic_file
from mmdmcp.methods import SearchOptimWrapperConstructor
from mmdmcp.plain.uniform import balanced_subnet
from mmdmcp.registry import MODELS
from mmdmcp.subnet import Subnet, apply

from ..widths.arms import candidates
from ..widths.ranking import Ranking
from ..widths.records import locked
from ..widths.search import (
    INPUT_SHAPE,
    Plan,
    Search,
    as_fitted,
    as_shipped,
    half_precision,
)
from .networks import CifarNet, ResNetSpace
from .together import train_together
from .training import RATE, SGD, TUNING_RATE, Recipe, run_phase, train_net

#: Arms that prune nothing, and arms that search before they train.
WHOLE = ('full', 'full_tuned')
SEARCHED = ('dmcp', 'dmcp_fitted', 'layers', 'random')
_RANDOM = 30  # networks that its supernet ranks


@dataclass
class Start:
    """A network before the recipe trains it.

    Attributes:
        net: The network.
        half: None for the whole recipe, 1 for its second half.
        trained: Whether nothing is left to do.
        seconds: Of its training so far.
        search_macs: Multiply-accumulates of a search for it.
        search_seconds: Seconds of one core that the search took in the process
            that finished it.
    """

    net: nn.Module
    half: int | None = None
    trained: bool = False
    seconds: float = 0.0
    search_macs: int = 0
    search_seconds: float = 0.0


@dataclass(frozen=True)
class Run:
    """One arm at one target with one seed.

    Attributes:
        arm: Its name.
        space: The network.
        data: The images, for training and the test, on the device that trains.
        small: The images, for a search.
        folder: Where checkpoints are.
        recipe: Length and batches of the training.
        share: The target as a ratio of the full network.
        search: Iterations, batch and image size of a search.
    """

    arm: str
    space: ResNetSpace
    data: Any
    small: Any
    folder: Path
    recipe: Recipe
    share: float
    search: tuple[int, int, int] = (500, 64, 16)

    @property
    def name(self) -> str:
        """Of its checkpoints."""
        return f'{self.arm}_{self.share}_{self._length}'

    @property
    def _length(self) -> str:
        recipe = self.recipe
        length = f'e{recipe.epochs}_b{recipe.batch}_s{recipe.seed}'
        return length if self.device == 'cpu' else f'{length}_{self.device}'

    @property
    def device(self) -> str:
        """Kind of the device that trains."""
        return str(self.data.device.type)

    @property
    def seed(self) -> int:
        """Of weights, batches and draws."""
        return self.recipe.seed

    @property
    def target(self) -> int:
        """Multiply-accumulates aimed at."""
        return round(self.share * self.space.full_macs)

    def scratch(self, net: CifarNet, **found: Any) -> Start:
        """A network with random weights."""
        torch.manual_seed(self.seed)
        net.initialise()
        return Start(net, **found)

    def half(self) -> Start:
        """The full network after half of the iterations."""
        torch.manual_seed(self.seed)
        start = Start(self.space.model(), half=1)
        path = self.folder / f'half_{self._length}.pth'
        with locked(path.with_suffix('.lock')):
            if self.device == 'cpu':
                start.seconds = train_net(path, start.net, *self._settings, half=0)
            elif path.exists():
                state = torch.load(path, weights_only=True, map_location='cpu')
                start.net.load_state_dict(state['net'])
                start.seconds = state['seconds']
            else:
                start.seconds = train_together([start.net], *self._settings, half=0)
                start.net.cpu()
                state = dict(net=start.net.state_dict(), seconds=start.seconds)
                with atomic_file(path) as file:
                    torch.save(state, file)
        return start

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

    def found(self, search: Callable[[], tuple[Subnet, int, float]]) -> Start:
        """The network that a search finds, which its files keep: however long it
        is trained, it is searched for once.

        Args:
            search: Returns the subnet, the multiply-accumulates of the search
                and its seconds.
        """
        length = 'n{}_b{}_{}px'.format(*self.search)
        name = f'{self.arm}_{self.share}_{length}_s{self.seed}.yaml'
        path = self.folder / 'searches' / name
        price = path.with_suffix('.json')
        with locked(path.with_suffix('.lock')):
            if not price.exists():
                subnet, macs, seconds = search()
                subnet.save(path)
                with atomic_file(price) as file:
                    file.write(json.dumps(dict(macs=macs, seconds=seconds)).encode())
        paid = json.loads(price.read_text())
        net = apply(self.space.model(), Subnet.load(path))
        return self.scratch(
            net, search_macs=paid['macs'], search_seconds=paid['seconds']
        )


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
        return subnet, 0, 0.0

    return run.found(search)


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
