"""Every convolutional family of mmpretrain: exact, and searchable."""

import pytest

from backbones import facts as module
from backbones.facts import measure
from backbones.zoo import NOT_PRUNABLE, ZOO
from mmdmcp.layers import Convolution


@pytest.mark.parametrize('family', sorted(set(ZOO) - set(NOT_PRUNABLE)))
def test_backbone_is_exact_and_every_chain_learns(family):
    facts = measure(family)
    assert facts.exact_cost
    assert facts.difference <= 1e-5
    assert facts.live_chains
    assert facts.least < facts.full


@pytest.mark.parametrize('family', ['MobileNetV2', 'EfficientNet', 'ConvNeXt'])
def test_one_wrong_layer_of_a_backbone_would_show(family, monkeypatch):

    def spoil(model, subnet):
        net = apply(model, subnet)
        convs = [
            m
            for m in net.modules()
            if isinstance(m, Convolution.types) and m.out_channels > 1
        ]
        weight = convs[len(convs) // 2].weight
        weight.copy_(weight.flip(0))
        return net

    apply = module.apply
    monkeypatch.setattr(module, 'apply', spoil)
    assert measure(family).difference > 1e-3
