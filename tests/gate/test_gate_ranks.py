"""Real processes over gloo: ranks agree on weights, gates and channels."""

from pathlib import Path

import torch
from common.ranks import launch

SCRIPT = Path(__file__).with_name('gate_rank.py')
STEPS = 5


def test_two_ranks_equal_one_with_all_samples(tmp_path):
    (one,) = launch(SCRIPT, 1, tmp_path / 'one', 8, STEPS)
    first, second = launch(SCRIPT, 2, tmp_path / 'two', 4, STEPS)
    assert one['mutator._extra_state'] and first['mutator._extra_state']
    for name, value in first.items():
        assert torch.equal(value, second[name]), name
        torch.testing.assert_close(
            value,
            one[name],
            rtol=2e-3,
            atol=2e-5,
            msg=lambda m, name=name: f'{name}: {m}',
        )
