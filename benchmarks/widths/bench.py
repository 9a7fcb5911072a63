"""What all arms share: table, images, length of a search."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from .data import CIFAR10
from .plan import INPUT_SHAPE, Plan
from .ranking import Ranking
from .records import locked
from .search import Search
from .tables import Table


@dataclass
class Bench:
    """What all arms share.

    Attributes:
        table: The table.
        data: The images; None for arms that need none.
        folder: Where checkpoints are.
        iterations: Length of a search.
        batch: Images in a batch.
        size: Height and width of the images.
    """

    table: Table
    data: CIFAR10 | None
    folder: Path
    iterations: int
    batch: int
    size: int = 32

    @property
    def device(self) -> torch.device | None:
        """Where searches run; None where none does."""
        return self.data.device if self.data else None

    @property
    def elsewhere(self) -> dict[str, str]:
        """What a result of a search says of its device: nothing if it is the CPU."""
        kind = self.device.type if self.device else 'cpu'
        return {} if kind == 'cpu' else dict(device=kind)

    def target(self, share: float) -> float:
        """Multiply-accumulates aimed at."""
        return share * self.table.full_macs

    @property
    def plain(self) -> int:
        """Multiply-accumulates of a plain training step of the full network."""
        pixels = (self.size / INPUT_SHAPE[-1]) ** 2
        return round(3 * self.table.full_macs * self.batch * pixels)

    def plan(self, share: float | tuple[float, ...], seed: int, **changes) -> Plan:
        """A search of this benchmark's length."""
        settings = dict(iterations=self.iterations, batch=self.batch, size=self.size)
        return Plan(share=share, seed=seed, **{**settings, **changes})

    def search(self, plan: Plan) -> Search:
        """A search whose weights have trained up to the chains' first step.

        One process trains them, others that want the same ones wait.
        """
        search = Search(self.table, self.data, plan, self.folder)
        with locked(search.shared.with_suffix('.lock')):
            search.run(until=search.start)
        return search

    def ranking(self, search: Search, by: str) -> Ranking:
        """By a search as it stands."""
        path = search.weights.with_suffix('.jsonl')
        return Ranking(search.algorithm, self.data, path, by)

    def random(self, share: float, seed: int, count: int) -> list[list[int]]:
        """Different random networks at the target."""
        rows = self.table.band(self.target(share))
        chosen = np.random.default_rng(seed).choice(rows, count, replace=False)
        return self.table.widths[chosen].tolist()
