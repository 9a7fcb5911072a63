"""Every convolutional family of mmpretrain: exact, and searchable."""
import pytest

from backbones.facts import measure
from backbones.zoo import NOT_PRUNABLE, ZOO


@pytest.mark.parametrize('family', sorted(set(ZOO) - set(NOT_PRUNABLE)))
def test_backbone_is_exact_and_every_chain_learns(family):
    facts = measure(family)
    assert facts.exact_cost
    assert facts.difference <= 1e-5
    assert facts.live_chains
    assert facts.least < facts.full
