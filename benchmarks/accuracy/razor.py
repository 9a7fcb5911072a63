"""mmrazor's own DMCP on the same network, with its import repaired.

Its train step, its strategy, the chains' optimiser and the weight of its FLOPs loss are
those of its config for ResNet-50, and what begins or falls there in the course of a
search does so here in proportion to the length. Weights, batches and images are as in
our searches. Its grid has steps of 0.1 in place of 0.05, of which 16 channels have
none. Its hook draws networks until one is within 5 % of the target, forever where none
is; so the expected widths are taken, all times one factor that leads to the target.
"""

import random
import time
from functools import partial
from typing import Any

import torch
from mmengine.logging import MessageHub
from mmengine.optim import OptimWrapperDict

from mmdmcp.engine.amp import CPUAmpOptimWrapper
from mmdmcp.ranking.balanced import on_budget
from mmdmcp.ranking.nearest import fitted_widths
from mmdmcp.subnet import Subnet

from ..mmrazor_dmcp import build
from ..widths.search import Meter, cosine
from .arms import searchable
from .runs import Run, Start

_LENGTH = 62_500  # of its search
#: As ratios of it: when chains begin, how often they take a step, when networks begin
#: to learn from the widest one.
_CHAINS, _EVERY, _DISTILLATION = 5_000 / _LENGTH, 500 / _LENGTH, 10_000 / _LENGTH
#: What the probability of random widths is multiplied by in an iteration.
_DECAY = 0.9999
_GRID = (0.1, 1.0, 0.1)


def mmrazor_dmcp(run: Run) -> Start:
    """The network that has the shape of the expected one of mmrazor's search, from
    scratch."""

    def search() -> tuple[Subnet, int, float]:
        start = time.process_time()
        ours = searchable(run)
        mutator, budget = ours.mutator, ours.budget
        theirs, places = _built(run, [unit.name for unit in mutator.units])

        def widths() -> list[int]:
            return [int(unit.current_choice) for unit in places]

        meter = Meter(theirs.architecture, lambda: mutator.cost_of(widths())['macs'])
        with meter.watching():
            _train(theirs, run)
        with torch.no_grad():
            theirs.set_subnet('expected', arch_train=False)
        # Their current choice takes a number with a fraction for a ratio.
        expected = torch.tensor(
            [float(u.mutable_channel.activated_tensor_channels) for u in places]
        )
        costs = mutator.supernet.cost
        print(
            f'mmrazor, target {run.share:.0%}: its expected network has '
            f'{budget.used_at(costs, expected):.2f} times that; widths '
            f'{", ".join(f"{width:.1f}" for width in expected.tolist())}'
        )
        steps = [unit.steps for unit in mutator.units]
        low, full = (torch.tensor([each[i] for each in steps]) for i in (0, -1))
        wanted = on_budget(expected.double(), partial(budget.used_at, costs), low, full)
        found = fitted_widths(
            wanted.tolist(),
            steps,
            lambda network: budget.gap(mutator.cost_of(network)),
            ours.tolerance,
        )
        subnet = ours.export_subnet(found)
        return subnet, meter.macs, time.process_time() - start

    return run.found(search)


def _built(run: Run, names: list[str]) -> tuple[Any, list[Any]]:
    """Its algorithm for the target, and its units in the order of these layers."""
    iterations, _, size = run.search
    torch.manual_seed(run.seed)
    random.seed(run.seed)  # what it draws with
    algorithm = build(
        run.space.model(),
        run.space.logits,
        size,
        pruning_cfg=_GRID,
        arch_start_train=round(_CHAINS * iterations),
        arch_train_freq=max(1, round(_EVERY * iterations)),
        distillation_times=round(_DISTILLATION * iterations),
    )
    # It counts the FLOPs of the backbone, of a larger image.
    algorithm.set_subnet('max', arch_train=False)
    full = float(algorithm.calc_current_flops())
    algorithm.target_flops = run.share * full / 1e6
    by_layer = {unit.name.split('_(')[0]: unit for unit in algorithm.mutator.units}
    return algorithm.train(), [by_layer[name] for name in names]


def _train(algorithm: Any, run: Run) -> None:
    iterations, batch, _ = run.search
    weights = torch.optim.SGD(
        algorithm.architecture.parameters(),
        0.05,
        momentum=0.9,
        weight_decay=5e-4,
        nesterov=True,
    )
    chains = torch.optim.Adam(algorithm.mutator.parameters(), 0.5, weight_decay=1e-3)
    wrapper = OptimWrapperDict(
        architecture=CPUAmpOptimWrapper(weights), mutator=CPUAmpOptimWrapper(chains)
    )
    hub = MessageHub.get_current_instance()
    for iteration in range(iterations):
        hub.update_info('iter', iteration)
        # As in the other searches: to a tenth.
        weights.param_groups[0]['lr'] = cosine(0.05, 0.1, iteration / iterations)
        data = run.small.train_batch(run.seed, iteration, batch)
        try:
            algorithm.train_step(data, wrapper)
        except ValueError as error:  # where its chains are no numbers any more
            raise SystemExit(
                f"mmrazor's search for {run.share:.0%} with seed {run.seed} ended in "
                f'iteration {iteration} of {iterations}: {error}'
            ) from error
        algorithm.cur_sample_prob *= _DECAY ** (_LENGTH / iterations - 1)
