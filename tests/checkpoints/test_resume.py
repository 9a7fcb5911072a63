"""The checkpoint that a run goes on from."""

import os

import pytest
import torch

from mmdmcp.checkpoints.resume import find_good_checkpoint
from mmdmcp.errors import CheckpointError

LENGTH = 9  # iterations in an epoch


def write(path, epoch, iteration, run=None, time=0):
    """A checkpoint; its file was written at a time, in seconds."""
    meta = dict(epoch=epoch, iter=iteration)
    if run is not None:
        meta['mmdmcp'] = dict(run=run)
    torch.save(dict(state_dict={}, optimizer={}, meta=meta), path)
    os.utime(path, (time, time))
    return str(path)


def epochs(folder, number, **kwargs):
    path = folder / f'epoch_{number}.pth'
    return write(path, number, number * LENGTH, **kwargs)


def test_the_one_with_most_iterations(tmp_path):
    """Not the last one written: copying a folder changes that."""
    assert find_good_checkpoint(str(tmp_path)) == (None, [])
    epochs(tmp_path, 9, time=4)
    newest = epochs(tmp_path, 10, time=1)
    write(tmp_path / 'iter_85.pth', 9, 85, time=5)
    write(tmp_path / 'best_accuracy_epoch_1.pth', 99, 999, time=6)
    (tmp_path / 'last_checkpoint').write_text('/no/where.pth')
    assert find_good_checkpoint(str(tmp_path)) == (newest, [])
    newest = write(tmp_path / 'iter_92.pth', 10, 92, time=0)
    assert find_good_checkpoint(str(tmp_path)) == (newest, [])


def test_an_epoch_that_is_over_is_newer_than_its_last_iteration(tmp_path):
    write(tmp_path / 'iter_18.pth', 1, 18, time=2)
    newest = epochs(tmp_path, 2, time=1)
    assert find_good_checkpoint(str(tmp_path)).path == newest


def test_those_of_an_earlier_run_are_passed_over(tmp_path):
    """A search that is started again in its folder overwrites them only when
    it gets there."""
    epochs(tmp_path, 40, run='a')
    own = epochs(tmp_path, 3, run='b')
    found = find_good_checkpoint(str(tmp_path), 'b')
    assert found.path == own
    assert 'epoch_40.pth passed over: of an earlier run' in found.warnings[0]
    assert find_good_checkpoint(str(tmp_path), 'c').path is None
    assert find_good_checkpoint(str(tmp_path)).path.endswith('epoch_40.pth')
    unnamed = epochs(tmp_path, 41)
    assert find_good_checkpoint(str(tmp_path), 'b').path == unnamed


def test_what_is_no_checkpoint_is_passed_over(tmp_path):
    good = epochs(tmp_path, 1)
    (tmp_path / 'epoch_2.pth').mkdir()
    (tmp_path / 'epoch_3.pth').symlink_to(tmp_path / 'purged.pth')
    found, warnings = find_good_checkpoint(str(tmp_path))
    assert found == good and len(warnings) == 2
    assert any('epoch_2.pth is passed over' in w for w in warnings)
    assert any('epoch_3.pth is passed over: it is gone' in w for w in warnings)
    os.remove(good)
    with pytest.raises(CheckpointError, match='no checkpoint in'):
        find_good_checkpoint(str(tmp_path))
