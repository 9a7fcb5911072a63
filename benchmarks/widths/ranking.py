"""What a supernet thinks of networks, on held-out images."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F

from mmdmcp.engine import recalibrate

from . import records
from .data import CIFAR10
from .search import scaled

#: Images for each network's batch-norm statistics, and to rank by. The
#: shipped hook takes 32 batches and, on CIFAR-10, 5,000.
RECALIBRATION, VALIDATION = 256, 1000
_BATCH = 64


class Ranking:
    """Evaluates networks cut out of a supernet, each on the same images.

    Args:
        algorithm: The search.
        data: The images.
        path: A file of the evaluations of this supernet, which several arms
            may share; one that was evaluated before is not evaluated again.
        by: ``'accuracy'`` or ``'loss'``.

    Attributes:
        macs: Multiply-accumulates that it takes, evaluated before or not.
        scores: Of every network, by its widths; larger is better.
    """

    def __init__(
        self, algorithm: Any, data: CIFAR10, path: Path, by: str = 'accuracy'
    ) -> None:
        self.macs = 0
        self.scores: dict[tuple[int, ...], float] = {}
        self._algorithm, self._path, self._by = algorithm, path, by
        self._known = {tuple(line['widths']): line for line in records.read(path)}
        self._recalibration = [
            data.train_batch(seed=0, number=number, batch=_BATCH)
            for number in range(RECALIBRATION // _BATCH)
        ]
        self._validation = data.val_batches(VALIDATION)

    def score(self, widths: Sequence[int]) -> float:
        """How good a network is, with its own statistics."""
        key = tuple(widths)
        if key not in self.scores:
            if key not in self._known:
                self._known[key] = self._evaluate(list(key))
                records.append(self._path, self._known[key])
            found = self._known[key]
            cost = self._algorithm.mutator.cost_of(key)['macs']
            batches = [*self._recalibration, *self._validation]
            self.macs += sum(scaled(cost, batch['inputs']) for batch in batches)
            self.scores[key] = (
                found['accuracy'] if self._by == 'accuracy' else -found['loss']
            )
        return self.scores[key]

    def best(self, networks: Sequence[Sequence[int]]) -> list[int]:
        """The best of several; the first of equals."""
        return list(max(networks, key=self.score))

    @torch.no_grad()
    def _evaluate(self, widths: list[int]) -> dict:
        net = self._algorithm.cut(widths)
        loss, right = 0.0, 0
        device = self._validation[0]['inputs'].device.type
        with torch.autocast(device, dtype=torch.bfloat16):
            recalibrate(net, self._recalibration)
            for batch in self._validation:
                logits, labels = net(batch['inputs']).float(), batch['data_samples']
                loss += float(F.cross_entropy(logits, labels, reduction='sum'))
                right += int((logits.argmax(1) == labels).sum())
        return dict(
            widths=widths,
            accuracy=100 * right / VALIDATION,
            loss=round(loss / VALIDATION, 5),
        )


def rank_correlation(first: Sequence[float], second: Sequence[float]) -> float:
    """Spearman's: of the ranks, with ties at their mean."""
    ranks = [_ranks(np.asarray(values)) for values in (first, second)]
    return float(np.corrcoef(*ranks)[0, 1])


def _ranks(values: np.ndarray) -> np.ndarray:
    below = (values[:, None] > values).sum(axis=1)
    equal = (values[:, None] == values).sum(axis=1)
    return below + (equal - 1) / 2
