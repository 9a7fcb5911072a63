"""The checkpoint that a run goes on from."""

import os

import pytest
import torch

from mmdmcp.checkpoints.resume import find_good_checkpoint
from mmdmcp.errors import CheckpointError


def write(path, time):
    """A checkpoint that was written at a time, in seconds."""
    torch.save(dict(state_dict={}, optimizer={}, meta=dict(epoch=1, iter=9)), path)
    os.utime(path, (time, time))
    return str(path)


def test_the_last_one_written(tmp_path):
    assert find_good_checkpoint(str(tmp_path)) == (None, [])
    write(tmp_path / 'epoch_9.pth', 1)
    newest = write(tmp_path / 'iter_20.pth', 2)
    write(tmp_path / 'best_accuracy_epoch_1.pth', 3)
    (tmp_path / 'last_checkpoint').write_text('/no/where.pth')
    assert find_good_checkpoint(str(tmp_path)) == (newest, [])


def test_what_is_no_checkpoint_is_passed_over(tmp_path):
    good = write(tmp_path / 'epoch_1.pth', 1)
    (tmp_path / 'epoch_2.pth').mkdir()
    (tmp_path / 'epoch_3.pth').symlink_to(tmp_path / 'purged.pth')
    found, warnings = find_good_checkpoint(str(tmp_path))
    assert found == good and len(warnings) == 2
    assert any('epoch_2.pth is passed over' in w for w in warnings)
    assert any('epoch_3.pth is passed over: it is gone' in w for w in warnings)
    os.remove(good)
    with pytest.raises(CheckpointError, match='no checkpoint in'):
        find_good_checkpoint(str(tmp_path))
