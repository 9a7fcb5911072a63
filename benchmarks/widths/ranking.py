"""What a supernet thinks of networks: their accuracy on held-out images."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from mmdmcp.engine import recalibrate

from .data import CIFAR10

#: Images for each network's batch-norm statistics, and to rank by. The
#: shipped hook takes 2,048 and, on CIFAR-10, 5,000.
RECALIBRATION, VALIDATION = 512, 2000
_BATCH = 64


class Ranking:
    """Evaluates networks cut out of a supernet, each on the same images.

    Args:
        algorithm: The search.
        data: The images.

    Attributes:
        macs: Multiply-accumulates that it took so far.
        scores: Accuracy in percent of every network evaluated, by widths.
    """

    def __init__(self, algorithm: Any, data: CIFAR10) -> None:
        self.macs = 0
        self.scores: dict[tuple[int, ...], float] = {}
        self._algorithm = algorithm
        self._recalibration = [
            data.train_batch(seed=0, number=number, batch=_BATCH)
            for number in range(RECALIBRATION // _BATCH)
        ]
        self._validation = data.val_batches(VALIDATION)

    def score(self, widths: Sequence[int]) -> float:
        """Accuracy of a network with its own statistics, in percent."""
        key = tuple(widths)
        if key not in self.scores:
            self.scores[key] = self._evaluate(list(key))
        return self.scores[key]

    def best(self, networks: Sequence[Sequence[int]]) -> list[int]:
        """The most accurate of several; the first of equals."""
        return list(max(networks, key=self.score))

    @torch.no_grad()
    def _evaluate(self, widths: list[int]) -> float:
        net = self._algorithm.cut(widths)
        with torch.autocast('cpu', dtype=torch.bfloat16):
            recalibrate(net, self._recalibration)
            right = sum(
                int((net(b['inputs']).argmax(1) == b['data_samples']).sum())
                for b in self._validation
            )
        cost = self._algorithm.mutator.cost_of(widths)['macs']
        self.macs += cost * (RECALIBRATION + VALIDATION)
        return 100 * right / VALIDATION


def rank_correlation(first: Sequence[float], second: Sequence[float]) -> float:
    """Spearman's: of the ranks, with ties at their mean."""
    ranks = [_ranks(np.asarray(values)) for values in (first, second)]
    return float(np.corrcoef(*ranks)[0, 1])


def _ranks(values: np.ndarray) -> np.ndarray:
    below = (values[:, None] > values).sum(axis=1)
    equal = (values[:, None] == values).sum(axis=1)
    return below + (equal - 1) / 2
