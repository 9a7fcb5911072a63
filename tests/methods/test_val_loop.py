"""What the validation of a search refuses before it starts."""

import pytest
from mmengine.evaluator import Evaluator
from torch.utils.data import DataLoader

from mmdmcp.errors import ConfigError
from mmdmcp.methods import SearchValLoop


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
        SearchValLoop(None, DataLoader([1]), Evaluator([]), **options)
