"""A resumed run is the same run."""

import pytest
import torch
from mmengine.config import Config

from mmdmcp.errors import CheckpointError
from mmdmcp.preflight.changes import check_changes, settings


def search(**options):
    model = dict(
        type='mmdmcp.DMCP',
        architecture=dict(type='X'),
        target='50%',
        mutator=dict(grid=dict(step=0.1)),
        input_shape=(3, 8, 8),
        distillation='auto',
    )
    cfg = Config(
        dict(
            model=model,
            optim_wrapper=dict(
                architecture=dict(optimizer=dict(type='SGD', lr=0.1)),
                mutator=dict(optimizer=dict(type='SGD', lr=0.5)),
            ),
            train_cfg=dict(max_epochs=40),
            train_dataloader=dict(batch_size=64, num_workers=0, pin_memory=True),
            randomness=dict(seed=3),
            work_dir='a',
            default_hooks=dict(logger=dict(interval=3)),
        )
    )
    cfg.merge_from_dict(options)
    return cfg


@pytest.fixture
def checkpoint(tmp_path):
    path = str(tmp_path / 'epoch_4.pth')
    meta = dict(epoch=4, iter=40, seed=3, mmdmcp=dict(settings=settings(search())))
    torch.save(dict(meta=meta), path)
    return path


def test_the_same_config_has_no_changes(checkpoint):
    assert check_changes(search(), checkpoint) == []


@pytest.mark.parametrize(
    'key, value',
    [
        ('work_dir', 'b'),
        ('default_hooks.logger.interval', 5),
        ('train_dataloader.pin_memory', False),
        ('train_dataloader.prefetch_factor', 4),
        ('load_from', 'x.pth'),
        ('model.input_shape', [3, 8, 8]),
    ],
)
def test_what_the_result_does_not_depend_on_is_no_change(checkpoint, key, value):
    assert check_changes(search(**{key: value}), checkpoint) == []


@pytest.mark.parametrize(
    'key, value',
    [
        ('model.mutator.grid.step', 0.2),
        ('model.mutator.scope', ['backbone']),
        ('model.target', ['50%', '30%']),
        ('model.type', 'mmdmcp.TrainableGate'),
        ('model.type', 'mmdmcp.PrunedModel'),
        ('model.input_shape', (3, 16, 16)),
        ('randomness.seed', 4),
        ('optim_wrapper.architecture.optimizer.type', 'Adam'),
    ],
)
def test_another_search_is_refused(checkpoint, key, value):
    with pytest.raises(CheckpointError) as error:
        check_changes(search(**{key: value}), checkpoint)
    assert key in str(error.value)
    assert '--work-dir' in str(error.value)


@pytest.mark.parametrize(
    'key, value',
    [
        ('model.target', '30%'),
        ('train_cfg.max_epochs', 50),
        ('train_dataloader.batch_size', 32),
        ('train_dataloader.num_workers', 2),
        ('model.distillation', None),
        ('model.architecture.type', 'Y'),
        ('optim_wrapper.architecture.optimizer.lr', 0.05),
        ('sync_bn', 'torch'),
    ],
)
def test_what_may_change_is_warned_of(checkpoint, key, value):
    (warning,) = check_changes(search(**{key: value}), checkpoint)
    assert key in warning and repr(value) in warning and checkpoint in warning


def test_many_changes_are_one_list(checkpoint):
    cfg = search()
    cfg.custom_hooks = [dict(type='A')]
    cfg.merge_from_dict({f'model.o{index}': index for index in range(20)})
    warnings = check_changes(cfg, checkpoint)
    assert len(warnings) < 20 and all(f'model.o{i}' in str(warnings) for i in range(20))


def test_a_seed_that_was_drawn_stays(checkpoint):
    """A config without a seed goes on with the checkpoint's."""
    cfg = search()
    cfg.pop('randomness')
    assert check_changes(cfg, checkpoint) == []


def test_a_run_that_is_over_does_not_begin(checkpoint):
    with pytest.raises(CheckpointError, match='4 epochs .*max_epochs=3'):
        check_changes(search(**{'train_cfg.max_epochs': 3}), checkpoint)


@pytest.mark.parametrize('meta', [{}, dict(cfg='model = open("x")'), dict(mmdmcp=1)])
def test_checkpoints_without_settings_are_said_to_have_none(tmp_path, meta):
    path = str(tmp_path / 'epoch_4.pth')
    torch.save(dict(meta=dict(epoch=4, iter=40, **meta)), path)
    (warning,) = check_changes(search(), path)
    assert "can't be told" in warning and path in warning


def test_budgets_may_be_others_but_not_more(tmp_path):
    path = str(tmp_path / 'epoch_4.pth')
    before = settings(search(**{'model.target': ['70%', '50%']}))
    meta = dict(epoch=4, iter=40, seed=3, mmdmcp=dict(settings=before))
    torch.save(dict(meta=meta), path)
    (warning,) = check_changes(search(**{'model.target': ['70%', '40%']}), path)
    assert "model.target.1='50%', the config has '40%'" in warning
    with pytest.raises(CheckpointError, match='model.target='):
        check_changes(search(**{'model.target': ['70%', '50%', '40%']}), path)
