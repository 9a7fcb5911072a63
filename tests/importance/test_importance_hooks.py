"""From a pretrained checkpoint to the small network, by the Runner."""

import pytest
import torch
from mmengine.config import Config
from mmengine.hooks import Hook
from mmengine.runner import Runner

from mmdmcp.subnet import Subnet

EPOCHS = 3  # of 5 iterations
NAME = 'IMPORTANCE_SUBNET_DIGITS'


def config(repo_root, tmp_path, name, **options):
    cfg = Config.fromfile(repo_root / 'configs' / 'pruning' / name)
    cfg.work_dir = str(tmp_path / 'work')
    cfg.default_hooks.logger.interval = 5
    for loader in (cfg.train_dataloader, cfg.val_dataloader):
        loader.dataset.indices = 80
    cfg.train_dataloader.batch_size = 16
    cfg.merge_from_dict(
        {
            'train_cfg.max_epochs': EPOCHS,
            'train_cfg.val_interval': EPOCHS,
            'default_hooks.checkpoint.interval': 1,
            **options,
        }
    )
    return cfg


def importance(repo_root, tmp_path, pretrained, **options):
    """Three steps by Taylor: before iterations 0, 4 and 7."""
    options = {
        'model.steps': 3,
        'model.mutator': dict(criterion='taylor'),
        'model.batches': 2,
        **options,
    }
    return config(
        repo_root,
        tmp_path,
        'importance/importance_resnet14_digits.py',
        load_from=str(pretrained) if pretrained else None,
        **options,
    )


def logged(work):
    return next(work.glob('*/*.log')).read_text()


@pytest.fixture(scope='module')
def trained(repo_root, tmp_path_factory):
    """Runs the digits config, in short, once for all tests."""
    tmp_path = tmp_path_factory.mktemp('importance')
    cfg = config(repo_root, tmp_path, 'dmcp/resnet14_digits.py')
    runner = Runner.from_cfg(cfg)
    runner.train()
    pretrained = tmp_path / 'pretrained.pth'
    torch.save(dict(state_dict=runner.model.state_dict()), pretrained)
    runner = Runner.from_cfg(importance(repo_root, tmp_path / 'run', pretrained))
    runner.train()
    return runner, pretrained, tmp_path / 'run' / 'work'


def test_the_result_is_written_at_the_target(trained):
    runner, _, work = trained
    subnet = Subnet.load(work / f'{NAME}.yaml')
    assert subnet.method == 'importance'
    assert abs(subnet.cost['macs'] / subnet.target['macs'] - 1) <= 0.01
    assert any(unit.kept for unit in subnet.units.values())
    weights = torch.load(work / f'{NAME}.pth', weights_only=True)['state_dict']
    buffers = [k for k in weights if 'running' in k or 'tracked' in k]
    params = sum(v.numel() for k, v in weights.items() if k not in buffers)
    assert params == subnet.cost['params']
    for name, value in runner.model.cut().state_dict().items():
        assert torch.equal(value, weights[name]), name


def test_each_step_and_the_comparison_are_in_the_log(trained):
    log = logged(trained[2])
    for iteration, share in ((0, 83.3), (4, 66.7), (7, 50.0)):
        (line,) = [x for x in log.splitlines() if f'before iteration {iteration}:' in x]
        assert float(line.split('(')[1].split('%')[0]) == pytest.approx(share, abs=1)
    rows = [line for line in log.splitlines() if '│' in line]
    pruned, small = (
        next(r for r in rows if f' {name} ' in r).split('│')[2:]
        for name in ('pruned', 'small')
    )
    assert pruned == small
    assert 'random weights' not in log and 'ended before' not in log


def test_a_resumed_training_ends_where_the_first_did(trained, repo_root, tmp_path):
    """Resumed between two steps, with another folder and no load_from."""
    runner, _, work = trained
    cfg = importance(repo_root, tmp_path, None)
    cfg.resume, cfg.load_from = True, str(work / 'epoch_1.pth')
    again = Runner.from_cfg(cfg)
    again.train()
    for key, value in runner.model.state_dict().items():
        assert torch.equal(value, again.model.state_dict()[key]), key
    found = (tmp_path / 'work' / f'{NAME}.yaml').read_bytes()
    assert found == (work / f'{NAME}.yaml').read_bytes()
    table = [r for r in logged(tmp_path / 'work').splitlines() if '│' in r]
    assert table[-3:] == [r for r in logged(work).splitlines() if '│' in r][-3:]


class _Stop(Hook):
    """Ends a training after its first epoch."""

    def after_train_epoch(self, runner):
        runner.train_loop.stop_training = True


def test_a_training_that_is_stopped_early_is_pruned_to_the_target(
    trained, repo_root, tmp_path
):
    cfg = importance(repo_root, tmp_path, trained[1])
    cfg.val_cfg = cfg.val_dataloader = cfg.val_evaluator = None
    runner = Runner.from_cfg(cfg)
    runner.register_hook(_Stop())
    runner.train()
    assert runner.iter == 5  # of 15; the last step would have been before 7
    subnet = Subnet.load(tmp_path / 'work' / f'{NAME}.yaml')
    assert abs(subnet.cost['macs'] / subnet.target['macs'] - 1) <= 0.01
    assert 'ended before the last step of pruning' in logged(tmp_path / 'work')


def test_the_small_network_is_built_from_the_two_files(trained, repo_root):
    """By the fine-tuning config."""
    runner, _, work = trained
    name = 'importance/importance_resnet14_subnet_digits.py'
    cfg = Config.fromfile(repo_root / 'configs' / 'pruning' / name)
    cfg.model.subnet = str(work / f'{NAME}.yaml')
    cfg.model.init_cfg.checkpoint = str(work / f'{NAME}.pth')
    from mmpretrain.registry import MODELS

    cfg.model.data_preprocessor = cfg.data_preprocessor
    small = MODELS.build(cfg.model)
    small.init_weights()
    x = torch.randn(4, 1, 8, 8)
    with torch.no_grad():
        expected = runner.model.eval()(x)
        assert torch.allclose(small.eval()(x), expected, atol=1e-5)


def test_a_moving_average_is_what_is_written(trained, repo_root, tmp_path):
    """As in the checkpoints, where its hook puts it itself."""
    cfg = importance(repo_root, tmp_path, trained[1], **{'model.steps': 1})
    cfg.custom_hooks.append(dict(type='EMAHook', momentum=0.05, update_buffers=True))
    runner = Runner.from_cfg(cfg)
    runner.train()
    small = torch.load(tmp_path / 'work' / f'{NAME}.pth', weights_only=True)
    saved = runner.model.state_dict()
    checkpoint = tmp_path / 'work' / f'epoch_{EPOCHS}.pth'
    averaged = torch.load(checkpoint, weights_only=False)['state_dict']
    key = 'head.fc.bias'  # no channel of it goes
    assert torch.equal(small['state_dict'][key], averaged[f'architecture.{key}'])
    assert not torch.equal(small['state_dict'][key], saved[f'architecture.{key}'])
