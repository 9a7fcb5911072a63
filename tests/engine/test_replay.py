"""Settings of the optimisers that a resumed run changes."""

from pathlib import Path

import pytest
import torch

from mmdmcp.apis import train
from mmdmcp.errors import CheckpointError

ROOT = Path(__file__).parents[2]
CONFIG = str(ROOT / 'configs' / 'pruning' / 'dmcp' / 'resnet14_digits.py')
LENGTH = 2  # epochs; checkpoints are from the end of the first


def schedules(eta_min=0.0):
    """One counts iterations, the other epochs; they follow each other."""
    return [
        dict(type='LinearLR', start_factor=0.1, by_epoch=False, end=3),
        dict(type='CosineAnnealingLR', T_max=3, eta_min=eta_min),
    ]


def run(work_dir, resume=None, **options):
    settings = {
        'model.backbone.depth': 8,
        'model.backbone.base_channels': 4,
        'model.head.in_channels': 16,
        'train_dataloader.batch_size': 256,
        'train_cfg.max_epochs': LENGTH,
        'default_hooks.checkpoint.interval': 1,
        'param_scheduler': schedules(),
        'optim_wrapper.paramwise_cfg': dict(norm_decay_mult=0.0),
        **options,
    }
    train(
        CONFIG,
        work_dir=str(work_dir),
        resume=resume,
        validate=False,
        cfg_options=settings,
    )
    return load(work_dir / f'epoch_{LENGTH}.pth')


def load(path):
    return torch.load(path, weights_only=True)


@pytest.fixture(scope='module')
def first(tmp_path_factory):
    """A run's folder and its last checkpoint."""
    folder = tmp_path_factory.mktemp('first')
    return folder, run(folder)


def log(work_dir):
    return ''.join(path.read_text() for path in work_dir.glob('*/*.log'))


def test_they_take_effect_where_the_run_would_be_with_them(tmp_path, first):
    new = {
        'optim_wrapper.optimizer.lr': 0.03,
        'optim_wrapper.optimizer.weight_decay': 1e-3,
        'param_scheduler': schedules(eta_min=0.01),
    }
    found = run(tmp_path / 'b', str(first[0] / 'epoch_1.pth'), **new)
    expected = run(tmp_path / 'c', **new)
    for group, other in zip(
        found['optimizer']['param_groups'], expected['optimizer']['param_groups']
    ):
        assert group == other
    assert found['optimizer']['base_param_settings']['lr'] == group['lr']
    assert group['lr'] not in (0.03, first[1]['optimizer']['param_groups'][-1]['lr'])
    assert found['param_schedulers'] == expected['param_schedulers']
    assert 'the config has other settings of the optimisers' in log(tmp_path / 'b')
    assert 'lr=0.1, the config has 0.03 from now on' in log(tmp_path / 'b')


def test_schedules_that_are_missing_are_replayed_exactly(tmp_path, first):
    checkpoint = load(first[0] / 'epoch_1.pth')
    del checkpoint['param_schedulers']
    checkpoint['optimizer']['param_groups'][0]['lr'] = 99.0
    torch.save(checkpoint, tmp_path / 'epoch_1.pth')
    found = run(tmp_path / 'b', str(tmp_path / 'epoch_1.pth'))
    for name, value in first[1]['state_dict'].items():
        assert torch.equal(found['state_dict'][name], value), name
    assert 'it has no schedules' in log(tmp_path / 'b')


def test_what_is_lost_or_differs_is_said(tmp_path, first):
    checkpoint = load(first[0] / 'epoch_1.pth')
    checkpoint['optimizer']['state'] = {}
    checkpoint['meta']['mmdmcp'].update(samples=5, processes=8)
    torch.save(checkpoint, tmp_path / 'epoch_1.pth')
    run(tmp_path / 'b', str(tmp_path / 'epoch_1.pth'))
    said = log(tmp_path / 'b')
    assert 'no state of the optimiser' in said
    assert 'a run with 5 training samples, this one has' in said
    assert 'a run with 8 processes, this one has 1' in said


def test_other_groups_of_parameters_are_refused(tmp_path, first):
    with pytest.raises(CheckpointError, match='groups of parameters'):
        run(
            tmp_path,
            str(first[0] / 'epoch_1.pth'),
            **{'optim_wrapper.paramwise_cfg': None},
        )
