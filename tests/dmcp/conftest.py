"""What the tests of the method share."""

import pytest
import torch
from common.small_net import classifier
from mmengine.registry import init_default_scope

from mmdmcp.registry import MODELS


@pytest.fixture(autouse=True)
def _scope():
    init_default_scope('mmpretrain')


@pytest.fixture
def build():
    """A function that builds a DMCP of the small network."""

    def build_dmcp(architecture=None, seed=0, **options):
        torch.manual_seed(seed)
        options.setdefault('target', '50%')
        options.setdefault('input_shape', (1, 8, 8))
        return MODELS.build(
            dict(
                type='mmdmcp.DMCP', architecture=architecture or classifier(), **options
            )
        )

    return build_dmcp
