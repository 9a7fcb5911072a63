"""Make the scores of different units comparable. Pure torch."""

from collections.abc import Callable

import torch
from torch import Tensor

from ..errors import ConfigError

_TINY = 1e-12  # a unit whose scores are all zero keeps zeros


def normalise(scores: Tensor, how: str) -> Tensor:
    """Scores of one unit, on a scale that all units share.

    Args:
        scores: ``[channels]``, larger is more important.
        how: One of :data:`NORMALISATIONS`.

    Returns:
        ``[channels]``, in the same order of importance.

    Raises:
        ConfigError: If there is no such normalisation.
    """
    if how not in tuple(NORMALISATIONS):
        raise ConfigError(f'normalise={how!r}; choose from {tuple(NORMALISATIONS)}')
    return NORMALISATIONS[how](scores)


def _lamp(scores: Tensor) -> Tensor:
    """A score's share of what is left once all smaller ones are gone.

    Layer-adaptive magnitude pruning (Lee et al., ICLR 2021): the largest of
    every unit has 1.
    """
    order = scores.argsort(stable=True)
    ascending = scores[order]
    left = ascending.flip(0).cumsum(0).flip(0)
    shares = torch.empty_like(scores)
    shares[order] = ascending / left.clamp(min=_TINY)
    return shares


def _gaussian(scores: Tensor) -> Tensor:
    """Mean 0 and standard deviation 1; a single channel is at its mean."""
    centred = scores - scores.mean()
    if len(scores) < 2:
        return centred
    return centred / (scores.std() + 1e-8)


def _rank(scores: Tensor) -> Tensor:
    """The ratio of the unit's channels that are less important, half of itself
    included: one threshold then narrows all units alike."""
    places = torch.empty_like(scores)
    places[scores.argsort(stable=True)] = torch.arange(len(scores)).to(scores) + 0.5
    return places / len(scores)


#: What the scores of a unit are divided by, or made into.
NORMALISATIONS: dict[str, Callable[[Tensor], Tensor]] = {
    'none': lambda x: x,
    'mean': lambda x: x / x.mean().clamp(min=_TINY),
    'max': lambda x: x / x.max().clamp(min=_TINY),
    'sum': lambda x: x / x.sum().clamp(min=_TINY),
    'l2': lambda x: x / x.norm().clamp(min=_TINY),
    'gaussian': _gaussian,
    'lamp': _lamp,
    'rank': _rank,
}
