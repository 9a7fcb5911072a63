"""The authors' release prints these expected costs; so must we.

``expected_flops`` of the release, 224x224, 1000 classes, grid (0.1, 1.0,
0.1), sigmoid, in millions. It counts the classifier's thousand biases.
"""

import pytest
import torch
from backbones.zoo import classifier

from mmdmcp.dmcp import DMCPChannelMutator
from mmdmcp.registry import MODELS

VALUES = {
    50: (37, 2048, (97.1819, 226.7523, 1573.2358, 4089.1853)),
    18: (12, 512, (58.3966, 121.3025, 724.2288, 1814.0743)),
}


@pytest.mark.parametrize('depth', VALUES)
def test_expected_cost_is_the_releases(depth):
    chains, channels, values = VALUES[depth]
    config = classifier('ResNet', channels, depth=depth)
    config['head']['num_classes'] = 1000
    mutator = DMCPChannelMutator(parametrisation='sigmoid', grid=dict(type='release'))
    mutator.prepare(MODELS.build(config), (3, 224, 224))
    assert len(mutator.units) == chains
    assert tuple(mutator.alpha.shape) == (chains, 9)
    for alpha, millions in zip((-2.0, 0.0, 2.0, 30.0), values):
        widths = mutator.expected_widths(torch.full_like(mutator.alpha, alpha))
        cost = mutator.supernet.cost.macs(widths)
        # Relative, since the release adds up in single precision.
        assert float(cost) / 1e6 + 0.001 == pytest.approx(millions, rel=1e-6)
