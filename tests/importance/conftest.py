"""What the tests of pruning by importance share."""

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
    """A function that builds an ImportancePruning of a small network."""

    def build_importance(architecture=None, seed=0, length=10, **options):
        torch.manual_seed(seed)
        options.setdefault('target', '50%')
        options.setdefault('input_shape', (1, 8, 8))
        algorithm = MODELS.build(
            dict(
                type='mmdmcp.ImportancePruning',
                architecture=architecture or classifier(),
                **options,
            )
        )
        algorithm.schedule.set_length(length)
        return algorithm

    return build_importance
