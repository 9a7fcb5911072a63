"""What the validation of a search refuses before it starts."""

from types import SimpleNamespace

import pytest
from mmengine.evaluator import Evaluator
from torch.utils.data import DataLoader

from mmdmcp import DMCP, TrainableGate
from mmdmcp.errors import ConfigError
from mmdmcp.methods import SearchValLoop


def loop(method, **options):
    """Built for a model of which the class alone is asked."""
    runner = SimpleNamespace(model=method)
    return SearchValLoop(runner, DataLoader([1]), Evaluator([]), **options)


@pytest.mark.parametrize(
    'options,said',
    [
        (dict(nets='max'), "nets='max'; give a list"),
        (dict(nets=['max', 'direct']), 'one or more of .*expected'),
        (dict(nets=()), r'nets=\(\)'),
        (dict(nets=None), 'nets=None'),
        (dict(recalibration_batches=0), 'recalibration_batches=0: give a whole'),
        (dict(recalibration_batches=2.5), 'recalibration_batches=2.5'),
        (dict(recalibration_batches='3'), "recalibration_batches='3'"),
        (dict(fp16=True), 'leave fp16 out'),
    ],
)
def test_options(options, said):
    with pytest.raises(ConfigError, match=f'^val_cfg: .*{said}'):
        loop(DMCP, **options)


def test_a_method_without_named_networks_is_validated_as_it_stands():
    with pytest.raises(ConfigError, match='val_cfg: a .* has no networks'):
        loop(TrainableGate)
