"""torchrun and a loop of one's own: the ranks make one search."""

from pathlib import Path

import pytest
import torch
from common.ranks import launch

SCRIPT = Path(__file__).with_name('own_loop_rank.py')


@pytest.mark.parametrize(
    ('steps', 'start', 'init'), [(3, 1, 'target'), (6, 4, 'fitted')]
)
def test_two_ranks_are_one_with_all_samples(tmp_path, steps, start, init):
    how = steps, start, init
    (one,) = launch(SCRIPT, 1, tmp_path / 'one', 8, *how)
    first, second = launch(SCRIPT, 2, tmp_path / 'two', 4, *how)
    for name, value in first['state'].items():
        assert torch.equal(value, second['state'][name]), name
        torch.testing.assert_close(value, one['state'][name], rtol=2e-3, atol=2e-5)
    assert torch.equal(first['alpha'], second['alpha'])
    torch.testing.assert_close(first['alpha'], one['alpha'], rtol=2e-3, atol=2e-5)
    assert first['widths'] == second['widths']
    assert len(first['scores']) > 1 and set(first['scores']) == {0.0}
