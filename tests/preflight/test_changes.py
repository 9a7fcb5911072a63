"""A resumed run is the same run."""

import pytest
import torch
from mmengine.config import Config

from mmdmcp.errors import CheckpointError
from mmdmcp.preflight.changes import check_changes


def search(**options):
    model = dict(
        type='mmdmcp.DMCP',
        architecture=dict(type='X'),
        target='50%',
        mutator=dict(grid=dict(step=0.1)),
        input_shape=(3, 8, 8),
    )
    cfg = Config(
        dict(
            model=model,
            train_cfg=dict(max_epochs=40),
            train_dataloader=dict(batch_size=64),
        )
    )
    cfg.merge_from_dict(options)
    return cfg


@pytest.fixture
def checkpoint(tmp_path):
    path = str(tmp_path / 'epoch_4.pth')
    meta = dict(epoch=4, iter=40, cfg=search().pretty_text)
    torch.save(dict(meta=meta), path)
    return path


def test_the_same_config_has_no_changes(checkpoint):
    assert check_changes(search(), checkpoint) == []


@pytest.mark.parametrize(
    'key, value',
    [
        ('model.mutator.grid.step', 0.2),
        ('model.mutator.scope', ['backbone']),
        ('model.type', 'mmdmcp.TrainableGate'),
        ('model.type', 'mmdmcp.PrunedModel'),
        ('model.input_shape', (3, 16, 16)),
    ],
)
def test_another_search_is_refused(checkpoint, key, value):
    with pytest.raises(CheckpointError) as error:
        check_changes(search(**{key: value}), checkpoint)
    assert key.removesuffix('.step') in str(error.value)
    assert '--work-dir' in str(error.value)


@pytest.mark.parametrize(
    'key, value',
    [
        ('model.target', '30%'),
        ('train_cfg.max_epochs', 50),
        ('train_dataloader.batch_size', 32),
    ],
)
def test_what_may_change_is_warned_of(checkpoint, key, value):
    (warning,) = check_changes(search(**{key: value}), checkpoint)
    assert key in warning and repr(value) in warning and checkpoint in warning


def test_a_run_that_is_over_does_not_begin(checkpoint):
    with pytest.raises(CheckpointError, match='4 epochs .*max_epochs=3'):
        check_changes(search(**{'train_cfg.max_epochs': 3}), checkpoint)


@pytest.mark.parametrize('text', ['', 'model = open("x")', 'model ='])
def test_configs_that_are_not_plain_are_not_compared(tmp_path, text):
    path = str(tmp_path / 'epoch_4.pth')
    torch.save(dict(meta=dict(epoch=4, iter=40, cfg=text)), path)
    assert check_changes(search(), path) == []
