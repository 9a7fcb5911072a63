"""What a search notes of itself, for its log, its curves and its report."""

import os
import platform
import shlex
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import mmengine
import torch
from mmengine.dist import get_world_size, is_main_process
from mmengine.runner import Runner

from ..cost import Budget
from ..errors import DataError
from ..report.progress import Progress, progress
from ..report.record import (
    BudgetRecord,
    Moment,
    NetworkRecord,
    SearchRecord,
    UnitRecord,
)
from .mutator import counts

#: Moments that are noted over the length of a search.
MOMENTS = 40


@dataclass
class Found:
    """A network that a search found.

    Attributes:
        name: What it is called in reports.
        widths: Its channels, as a mutator chooses them.
        cost: What it costs, by the measures' names.
        metrics: What its evaluation gave.
    """

    name: str
    widths: Sequence[Any]
    cost: dict[str, int]
    metrics: Mapping[str, Any]


class Recorder:
    """Notes where a search is, and writes ``search.json``.

    Works on rank 0 only. What can't be written is a warning: a search is
    worth more than its report.

    Args:
        runner: The runner.
        algorithm: A :class:`~mmdmcp.methods.PruningAlgorithm`.
        names: Stem of the subnet file of each budget.
    """

    def __init__(self, runner: Runner, algorithm: Any, names: Sequence[str]) -> None:
        self.runner, self.algorithm = runner, algorithm
        self.active = is_main_process()
        self.interval = max(1, runner.max_iters // MOMENTS)
        self.record = self._resumed(names) or self._new(names)
        self.record.made = _made(runner)
        self.record.max_iters = runner.max_iters

    @property
    def budget(self) -> BudgetRecord:
        """The entry of the budget in turn."""
        return self.record.budgets[self.algorithm.mutator.turn]

    # ---- starting ----------------------------------------------------

    def _new(self, names: Sequence[str]) -> SearchRecord:
        algorithm = self.algorithm
        mutator, full = algorithm.mutator, algorithm.mutator.choose('max')
        size = sum(
            value.numel() * value.element_size()
            for value in algorithm.architecture.state_dict().values()
        )
        layers = self._layer_macs(full)
        return SearchRecord(
            algorithm.method,
            self.runner.iter,
            self.runner.max_iters,
            list(algorithm.input_shape),
            NetworkRecord(
                'full', mutator.cost_of(full), counts(full), weight_bytes=size
            ),
            [
                UnitRecord(
                    unit.name,
                    unit.num_channels,
                    list(unit.choices) if mutator.keep_probabilities() else [],
                )
                for unit in mutator.units
            ],
            list(layers),
            list(layers.values()),
            [
                BudgetRecord(name, dict(budget.values))
                for name, budget in zip(names, algorithm.budgets)
            ],
        )

    def _resumed(self, names: Sequence[str]) -> SearchRecord | None:
        """What the search noted before it was interrupted, up to here."""
        if not self.runner.iter or not self.active:
            return None
        try:
            record = SearchRecord.load(self.runner.work_dir)
        except DataError as error:
            self.runner.logger.warning(f'the report lacks what was before: {error}')
            return None
        units = [unit.name for unit in self.algorithm.mutator.units]
        if (
            record is None
            or [unit.name for unit in record.units] != units
            or len(record.budgets) != len(names)
        ):
            return None
        # A search that goes from budget to budget is past these.
        reached = self.algorithm.mutator.turn if self.algorithm.sequential else 0
        triples = zip(record.budgets, names, self.algorithm.budgets)
        for turn, (budget, name, now) in enumerate(triples):
            budget.name, budget.target = name, dict(now.values)
            # What came after the checkpoint happens again.
            budget.history = [
                m for m in budget.history if m.iteration <= self.runner.iter
            ]
            if turn >= reached:
                budget.candidates, budget.chosen, budget.layer_macs = [], None, []
        return record

    def _layer_macs(self, selections: Sequence) -> dict[str, int]:
        """Multiply-accumulates of the layers that have any."""
        cost = self.algorithm.mutator.supernet.cost
        widths = torch.tensor(counts(selections))
        macs = cost.layer_macs(widths).tolist()
        return {
            layer.name: round(value)
            for layer, value in zip(cost.layers, macs)
            if layer.macs
        }

    # ---- while it runs -----------------------------------------------

    def look(
        self, iteration: int, begins: bool = False
    ) -> list[tuple[str, Budget, Progress]]:
        """Note where the search is, if it is time.

        Args:
            iteration: Iterations done.
            begins: Whether it is time because a budget is begun.

        Returns:
            How far it is on the way to each budget, with what tells it from
            the others; nothing if it is not time, or on other ranks.
        """
        due = begins or iteration % self.interval == 0
        due = due or iteration == self.runner.max_iters
        if not self.active or not due:
            return []
        found = []
        for budget in self.algorithm.budgets_in_work():
            history = self.budget.history
            if history and history[-1].iteration == iteration:
                history.pop()
            history.append(self._moment(iteration))
            now = progress(self.record, self.budget)
            found.append((self.algorithm.tag, budget, now))
        self.record.iteration = iteration
        self.save()
        return found

    @torch.no_grad()
    def _moment(self, iteration: int) -> Moment:
        algorithm = self.algorithm
        widths = algorithm.mutator.expected_widths().tolist()
        names = algorithm.budget.values
        return Moment(
            iteration,
            [round(width, 3) for width in widths],
            {name: float(algorithm.expected_cost(name)) for name in names},
            [
                [round(ratio, 4) for ratio in row]
                for row in algorithm.mutator.keep_probabilities()
            ],
        )

    def full_metrics(self, metrics: Mapping[str, Any]) -> None:
        """Note what the full network scored."""
        self.record.full.metrics = _numbers(metrics)

    # ---- at the end --------------------------------------------------

    def finish(
        self, candidates: Sequence[Any], chosen: Any, rank_by: str | None = None
    ) -> None:
        """Note what was compared and what was written.

        Args:
            candidates: Like :class:`Found`.
            chosen: The one that was written.
            rank_by: Metric that decided; None if none did.
        """
        choose = self.algorithm.mutator.choose
        self.budget.candidates = [
            NetworkRecord(
                found.name,
                dict(found.cost),
                counts(choose(found.widths)),
                _numbers(found.metrics),
            )
            for found in candidates
        ]
        self.budget.chosen, self.budget.rank_by = chosen.name, rank_by
        macs = self._layer_macs(choose(chosen.widths))
        self.budget.layer_macs = list(macs.values())
        self.save()

    def save(self) -> None:
        """Write ``search.json``."""
        if not self.active:
            return
        try:
            self.record.save(self.runner.work_dir)
        except OSError as error:
            self.runner.logger.warning(
                f"search.json can't be written ({error}): the report will lack "
                'what the search noted'
            )


def words_of(now: Progress, budget: Budget) -> str:
    """Where a search is, for the log."""
    costs = ', '.join(
        f'{limit.measure.format(now.cost[limit.measure.name])} {limit.measure.noun} '
        f'({now.cost[limit.measure.name] / limit.value:.1%} of the target)'
        for limit in budget
    )
    line = f'expected {costs}'
    if now.furthest is not None:
        name, width, of = now.furthest
        line += (
            f'; widths moved by {now.moved:.1%} on average, most that of {name}, now '
            f'{width:.1f} of {of}'
        )
    if now.entropy is not None:
        line += f'; entropy of the chains {now.entropy:.2f} of 1'
    return line


def _numbers(metrics: Mapping[str, Any]) -> dict[str, float]:
    """The metrics that are numbers."""
    return {
        key: float(value)
        for key, value in metrics.items()
        if isinstance(value, (int, float)) or hasattr(value, 'item')
    }


def _made(runner: Runner) -> dict[str, str]:
    """How a run is made, in words."""
    from .. import __version__

    device = next(runner.model.parameters()).device
    where = (
        torch.cuda.get_device_name(device)
        if device.type == 'cuda'
        else f'{device.type}, {torch.get_num_threads()} threads'
    )
    command = [Path(sys.argv[0]).name, *sys.argv[1:]]
    return {
        'seed': str(runner.seed),
        'command': shlex.join(command),
        'folder': os.getcwd(),
        'device': f'{get_world_size()} x {where}',
        'versions': f'mmdmcp {__version__}, torch {torch.__version__}, mmengine '
        f'{mmengine.__version__}, Python {platform.python_version()}',
    }
