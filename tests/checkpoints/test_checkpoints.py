"""Checkpoints: what can be read of them, and whom the weights fit."""

import resource
import signal

import pytest
import torch
from torch import nn

from mmdmcp.checkpoints import (
    compare,
    read_checkpoint,
    read_weights,
    weights_of,
    write_weights,
)
from mmdmcp.errors import CheckpointError


def model():
    return nn.Sequential(nn.Conv2d(2, 3, 1), nn.BatchNorm2d(3))


@pytest.mark.parametrize(
    'content, why',
    [
        (None, 'it is gone'),
        (b'', 'it is damaged'),
        (b'no checkpoint', 'it is damaged, or holds more than tensors'),
    ],
)
def test_files_that_are_none(tmp_path, content, why):
    path = tmp_path / 'x.pth'
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(CheckpointError, match=why):
        read_checkpoint(path)
    with pytest.raises(CheckpointError, match=f"can't be loaded: {why}"):
        read_weights(path)


def test_weights_stand_alone_or_under_state_dict(tmp_path):
    state = model().state_dict()
    path = tmp_path / 'x.pth'
    distributed = {f'module.{name}': value for name, value in state.items()}
    for content in (state, dict(state_dict=state), distributed):
        torch.save(content, path)
        assert read_weights(path).keys() == state.keys()


@pytest.mark.parametrize(
    'content',
    [
        3,
        [],
        dict(epoch=3),
        dict(state_dict=3),
        dict(state_dict={}),
    ],
)
def test_checkpoints_without_weights(tmp_path, content):
    torch.save(content, tmp_path / 'x.pth')
    with pytest.raises(CheckpointError, match='holds no weights'):
        read_weights(tmp_path / 'x.pth')


def test_what_can_not_be_written_leaves_what_was_there(tmp_path):
    """On a full disk torch speaks of positions in a file, not of the disk."""
    path = tmp_path / 'x.pth'
    write_weights(path, dict(a=torch.ones(2)))
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10000, limits[1]))
    try:
        with pytest.raises(CheckpointError, match="x.pth can't be written"):
            write_weights(path, dict(a=torch.ones(9999)))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, handler)
    assert len(read_weights(path)['a']) == 2
    assert list(tmp_path.iterdir()) == [path]


def test_how_weights_fit():
    weights = weights_of(model().state_dict())
    del weights['1.num_batches_tracked']  # older than torch 0.4.1
    names = list(weights)
    assert compare(model(), weights) == (names, [], [])
    weights['0.weight'] = torch.ones(5)
    weights['0.bias'] = 'no tensor'
    del weights['1.bias']
    fit = compare(model(), weights)
    assert fit.mismatched == ['0.weight']
    assert fit.missing == ['0.bias', '1.bias']
    assert fit.fitting == ['1.weight', '1.running_mean', '1.running_var']
