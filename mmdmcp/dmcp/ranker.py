"""Evaluate candidates, and find better ones among the neighbours of the best."""

from collections.abc import Iterable, Sequence
from logging import Logger

from mmengine.runner import ValLoop
from torch import nn

from ..engine import evaluate, evaluate_loss, recalibrate
from ..errors import ConfigError
from .algorithm import DMCP
from .candidates import Candidate
from .evolve import evolve

#: What ``rank_by`` calls the loss that the model trains with; all else is a
#: metric of the evaluator.
LOSS = 'loss'


class Ranker:
    """Evaluates candidates and keeps the best one's network.

    Each is cut out of the supernet and gets batch-norm statistics of its
    own before it is evaluated.

    Args:
        algorithm: The search.
        loop: Validation data and metrics.
        batches: Training batches for the statistics.
        rank_by: Metric to rank by, or ``'loss'``; None for the first metric.
        logger: Told what is evaluated.

    Attributes:
        best (Candidate): The best so far; the first of equals.
        net (nn.Module): Its network.
    """

    def __init__(
        self,
        algorithm: DMCP,
        loop: ValLoop,
        batches: Sequence[object],
        rank_by: str | None,
        logger: Logger,
    ) -> None:
        self.best: Candidate | None = None
        self.net: nn.Module | None = None
        self._algorithm, self._loop, self._batches = algorithm, loop, batches
        self._rank_by, self._logger = rank_by, logger
        self._scores: dict[tuple[int, ...], float] = {}

    def score(self, candidate: Candidate) -> float:
        """How good a candidate is, larger is better; fills in its metrics."""
        self._logger.info(
            f'evaluating candidate {len(self._scores) + 1}: {candidate.name}'
        )
        net = self._algorithm.cut(candidate.widths)
        recalibrate(net, self._batches)
        loop = self._loop
        candidate.metrics = evaluate(net, loop.dataloader, loop.evaluator)
        if self._rank_by == LOSS:
            candidate.metrics[LOSS] = evaluate_loss(net, loop.dataloader)
        score = float(candidate.metrics[metric_of(candidate.metrics, self._rank_by)])
        if self._rank_by == LOSS:
            score = -score
        if self.best is None or score > max(self._scores.values()):
            self.best, self.net = candidate, net
        self._scores[tuple(candidate.widths)] = score
        return score

    def evolve(self, evaluations: int) -> list[Candidate]:
        """Evaluate neighbours of the best candidates that were scored.

        Args:
            evaluations: How many; fewer if no more are affordable.

        Returns:
            The new candidates.
        """
        mutator, budget = self._algorithm.mutator, self._algorithm.budget
        tolerance = self._algorithm.tolerance
        found: list[Candidate] = []

        def score(widths: Sequence[int]) -> float:
            name, cost = f'evolved{len(found) + 1}', mutator.cost_of(widths)
            found.append(Candidate(name, list(widths), cost))
            return self.score(found[-1])

        evolve(
            self._scores,
            score,
            lambda widths: budget.gap(mutator.cost_of(widths)) <= tolerance,
            [unit.grid for unit in mutator.units],
            evaluations,
            mutator.generator,
        )
        return found


def metric_of(metrics: Iterable[str], rank_by: str | None) -> str:
    """The metric that ranks.

    Raises:
        ConfigError: If it is not among the metrics.
    """
    known = sorted(set(metrics))
    key = rank_by or next(iter(metrics))
    if key not in known:
        raise ConfigError(
            f'DMCPSearchHook: rank_by={key!r} is not among the metrics {known}'
        )
    return key
