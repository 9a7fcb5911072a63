"""Blocks that merge their branches know their size after pruning."""

import pytest
import torch
from backbones.zoo import ZOO, classifier

from mmdmcp.registry import MODELS
from mmdmcp.subnet import apply
from mmdmcp.supernet import Supernet

BLOCKS = dict(num_blocks=[1, 2, 1, 1], width_factor=[0.25] * 3 + [0.125])
CONFIGS = {
    'RepVGG': classifier(
        'RepVGG', 64, arch=dict(BLOCKS, group_layer_map=None, se_cfg=None)
    ),
    'RepVGG with groups': classifier(
        'RepVGG', 64, arch=dict(BLOCKS, group_layer_map={2: 4, 3: 4}, se_cfg=None)
    ),
    'MobileOne': ZOO['MobileOne'],
}


@pytest.mark.parametrize('name', CONFIGS)
def test_a_pruned_network_can_be_switched_to_deploy(name):
    torch.manual_seed(0)
    model = MODELS.build(CONFIGS[name]).eval()
    supernet = Supernet(model, (3, 32, 32))
    widths = [(2 * c + 1) // 3 for c in supernet.full]
    net = apply(supernet.plain_copy(), supernet.subnet(widths, 'dmcp'))
    x = torch.randn(2, 3, 32, 32)
    with torch.no_grad():
        expected = net(x)
        net.backbone.switch_to_deploy()
        difference = (net(x) - expected).abs().max()
    assert difference <= 1e-5 * expected.abs().max()
    assert any(name.endswith('branch_reparam') for name, _ in net.named_modules())
