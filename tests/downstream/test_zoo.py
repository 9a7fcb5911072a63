"""Every stock model that a config is shipped for: exact, and trainable."""

import re

import pytest
from downstream.facts import measure
from downstream.zoo import QUICK, ZOO, pruning_config

from mmdmcp.errors import TraceError
from mmdmcp.registry import MODELS

# All of them take some minutes: --every-model.
NAMES = [
    name if name in QUICK else pytest.param(name, marks=pytest.mark.every_model)
    for name in ZOO
]


@pytest.mark.parametrize('name', NAMES)
def test_a_stock_model_is_pruned_exactly_and_trains(name, tmp_path):
    if ZOO[name][0].startswith('pose/'):
        pytest.importorskip('mmpose')
    facts = measure(name, str(tmp_path / 'net.onnx'))
    assert facts.exact_cost
    assert facts.difference <= 1e-5
    assert facts.step
    # SegNeXt's head starts from random numbers in each run, in PyTorch, too.
    assert facts.onnx <= (0.1 if name == 'SegNeXt-t' else 1e-4)
    assert abs(facts.half / facts.full - 0.5) <= 0.005


@pytest.mark.every_model
def test_a_size_at_which_a_group_norm_sees_one_value_is_named():
    """A search refuses it; what closes any channel leaves the head whole."""
    reason = r'a group norm meets a single value.*larger'
    model = pruning_config('FCOS-R50')
    model.input_shape = (3, 128, 128)
    whole = MODELS.build(model).mutator.supernet.unprunable
    assert any(re.search(reason, why) for name, why in whole if 'cls_convs' in name)
    model.update(type='mmdmcp.DMCP', distillation=None)
    with pytest.raises(TraceError, match=reason):
        MODELS.build(model)
