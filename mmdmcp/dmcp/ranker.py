"""Evaluate candidates, and find better ones among the neighbours of the best."""

import math
from collections.abc import Sequence
from logging import Logger

from mmengine.runner import ValLoop
from torch import nn

from ..engine import evaluate, evaluate_loss, recalibrate
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
        best (Candidate): The best so far, the first of equals; there once
            one was scored.
        net (nn.Module): Its network.
        metric (str or None): What ranks; None as long as none was found.
    """

    def __init__(
        self,
        algorithm: DMCP,
        loop: ValLoop,
        batches: Sequence[object],
        rank_by: str | None,
        logger: Logger,
    ) -> None:
        self.best: Candidate
        self.net: nn.Module
        self._algorithm, self._loop, self._batches = algorithm, loop, batches
        self.metric, self._logger = rank_by, logger
        self._scores: dict[tuple[int, ...], float] = {}

    def rank(self, candidates: Sequence[Candidate]) -> None:
        """Evaluate candidates.

        Where none of them has the metric that was asked for, the first that
        any has decides: after a whole search nothing about a metric may cost
        its result.
        """
        for candidate in candidates:
            self.score(candidate)
        known = [key for candidate in candidates for key in candidate.metrics]
        if known and all(score == -math.inf for score in self._scores.values()):
            self._logger.warning(
                f'rank_by={self.metric!r}: no candidate has such a metric, '
                f'{known[0]} ranks them'
            )
            self.metric = known[0]
            self._scores = {tuple(c.widths): self._worth(c) for c in candidates}
            best = max(candidates, key=lambda c: self._scores[tuple(c.widths)])
            self.best, self.net = best, self._cut(best)

    def score(self, candidate: Candidate) -> float:
        """How good a candidate is, larger is better; fills in its metrics.

        One whose evaluation gives no such metric, as a detector's without
        any detection, ranks last.
        """
        tag = self._algorithm.tag
        self._logger.info(
            f'evaluating candidate {len(self._scores) + 1}{tag and f" for {tag}"}: '
            f'{candidate.name}'
        )
        net = self._cut(candidate)
        candidate.metrics = self._metrics(net)
        if self.metric is None and candidate.metrics:
            self.metric = next(iter(candidate.metrics))
        score = self._worth(candidate)
        if score == -math.inf:
            self._logger.warning(
                f'candidate {candidate.name} ranks last: its evaluation gave no '
                f'{self.metric or "metric"}'
            )
        if not self._scores or score > max(self._scores.values()):
            self.best, self.net = candidate, net
        self._scores[tuple(candidate.widths)] = score
        return score

    def _metrics(self, net: nn.Module) -> dict[str, float]:
        loop = self._loop
        metrics = evaluate(net, loop.dataloader, loop.evaluator)
        if self.metric == LOSS:
            metrics[LOSS] = evaluate_loss(net, loop.dataloader)
        return metrics

    def _worth(self, candidate: Candidate) -> float:
        value = candidate.score(self.metric)
        if value is None:
            return -math.inf
        return -value if self.metric == LOSS else value

    def _cut(self, candidate: Candidate) -> nn.Module:
        net = self._algorithm.cut(candidate.widths)
        recalibrate(net, self._batches)
        return net

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
