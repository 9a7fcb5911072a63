"""What a search of a benchmark is like."""

import hashlib
from dataclasses import dataclass, field
from typing import Any, Protocol

from torch import nn

from mmdmcp.search.dmcp import chains_rate

INPUT_SHAPE = (3, 32, 32)


class Space(Protocol):
    """What is searched.

    Attributes:
        tolerance: Accepted distance of a candidate from the target.
        logits: Name of the layer that distillation reads.
    """

    tolerance: float
    logits: str

    @property
    def full_macs(self) -> int:
        """Multiply-accumulates of the full network."""

    def model(self) -> nn.Module:
        """The full network, for a search; labels ``[N]`` are its samples."""

    def mutator(self, options: dict) -> dict:
        """Config of the mutator."""


@dataclass(frozen=True)
class Plan:
    """A search.

    Attributes:
        share: The target as a share of the full network; several, that one
            search serves.
        seed: Of weights, batches and draws.
        iterations: Length of the search.
        batch: Images in a batch.
        size: Height and width of the images.
        weights_rate: The weights' first learning rate.
        anneal: Whether it falls to zero over the search, and the chains' rate,
            too; else, as shipped, to a tenth over twice the time that the
            weights train alone, and to a fifth.
        rate: The chains' first learning rate.
        mutator: Options of the mutator.
        options: Options of the algorithm.
    """

    share: float | tuple[float, ...]
    seed: int
    iterations: int = 400
    batch: int = 32
    size: int = 32
    weights_rate: float = 0.05
    anneal: bool = True
    rate: float = 1.0
    mutator: dict = field(default_factory=dict)
    options: dict = field(default_factory=dict)

    @property
    def name(self) -> str:
        """Of its checkpoint: the same only for the same search."""
        return 'search_' + hashlib.sha256(repr(self).encode()).hexdigest()[:16]


def as_shipped(iterations: int, budgets: int = 1) -> dict[str, Any]:
    """What of a plan makes it a search as shipped: weights and chains together in
    the second half, at the rate for so many iterations."""
    return dict(
        rate=chains_rate(iterations - iterations // 2, budgets),
        anneal=False,
        mutator=dict(parametrisation='exp'),
    )


def as_fitted(iterations: int, slower: float = 5) -> dict[str, Any]:
    """The same, but chains start where the pairs say, keep to the target, and go
    less far."""
    plan = as_shipped(iterations)
    plan['mutator']['init'] = 'fitted'
    return dict(plan, rate=plan['rate'] / slower, options=dict(on_budget=True))


def targets(share: float | tuple[float, ...], full: int) -> int | list[int]:
    """Multiply-accumulates to aim at."""
    if isinstance(share, tuple):
        return [round(each * full) for each in share]
    return round(share * full)
