"""What the tests of the gates share."""

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
    """A function that builds a TrainableGate of a small network."""

    def build_gate(architecture=None, seed=0, length=10, **options):
        torch.manual_seed(seed)
        options.setdefault('target', '50%')
        options.setdefault('input_shape', (1, 8, 8))
        algorithm = MODELS.build(
            dict(
                type='mmdmcp.TrainableGate',
                architecture=architecture or classifier(),
                **options,
            )
        )
        algorithm.schedule.set_length(length)
        algorithm.mutator.start()
        return algorithm

    return build_gate
