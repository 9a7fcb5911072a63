"""Real processes over gloo: ranks agree on weights and channels."""

from pathlib import Path

import torch
from common.ranks import launch

SCRIPT = Path(__file__).with_name('importance_rank.py')
STEPS = 4


def test_two_ranks_choose_the_same_channels_and_weights(tmp_path):
    """Though each takes gradients from samples of its own."""
    first, second = launch(SCRIPT, 2, tmp_path / 'two', 4, STEPS)
    state = first['mutator._extra_state']
    assert not state.all()  # channels were removed
    for name, value in first.items():
        assert torch.equal(value, second[name]), name
