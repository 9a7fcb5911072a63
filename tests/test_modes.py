"""Modes end where their block ends."""

import pytest
from torch import nn

from mmdmcp.modes import eval_mode


def test_every_module_gets_its_own_mode_back():
    model = nn.Sequential(nn.BatchNorm2d(2), nn.Dropout()).train()
    model[0].eval()  # as frozen stages are
    with pytest.raises(ZeroDivisionError):
        with eval_mode(model):
            assert not any(m.training for m in model.modules())
            model[0].train()
            1 / 0
    assert [m.training for m in model.modules()] == [True, False, True]
