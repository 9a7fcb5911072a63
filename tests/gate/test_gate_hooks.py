"""From a pretrained checkpoint to the small network, by the Runner."""

import re

import pytest
import torch
from mmengine.config import Config
from mmengine.runner import Runner

from mmdmcp.errors import CheckpointError, TrainingError
from mmdmcp.gate.hooks import GateHook
from mmdmcp.methods.pretrained import has_weights
from mmdmcp.subnet import Subnet

EPOCHS = 3  # of 9 iterations


def config(repo_root, tmp_path, name, **options):
    cfg = Config.fromfile(repo_root / 'configs' / 'pruning' / name)
    cfg.work_dir = str(tmp_path / 'work')
    cfg.default_hooks.logger.interval = 5
    for loader in (cfg.train_dataloader, cfg.val_dataloader):
        loader.dataset.indices = 144
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


def logged(work):
    return next(work.glob('*/*.log')).read_text()


@pytest.fixture(scope='module')
def trained(repo_root, tmp_path_factory):
    """Runs the digits config, in short, once for all tests."""
    tmp_path = tmp_path_factory.mktemp('gate')
    cfg = config(repo_root, tmp_path, 'dmcp/resnet14_digits.py')
    runner = Runner.from_cfg(cfg)
    runner.train()
    pretrained = tmp_path / 'pretrained.pth'
    torch.save(dict(state_dict=runner.model.state_dict()), pretrained)
    start = {k: v.clone() for k, v in runner.model.state_dict().items()}
    cfg = gate_config(repo_root, tmp_path / 'gates', pretrained)
    runner = Runner.from_cfg(cfg)
    runner.train()
    return runner, start, pretrained, tmp_path / 'gates' / 'work'


def gate_config(repo_root, tmp_path, pretrained, **options):
    options.setdefault('optim_wrapper.mutator.optimizer.lr', 0.2)
    return config(
        repo_root,
        tmp_path,
        'gate/gate_resnet14_digits.py',
        load_from=str(pretrained) if pretrained else None,
        **options,
    )


def test_the_result_is_written_within_one_percent(trained):
    _runner, _, _, work = trained
    subnet = Subnet.load(work / 'GATE_SUBNET_DIGITS.yaml')
    assert subnet.method == 'gate'
    assert abs(subnet.cost['macs'] / subnet.target['macs'] - 1) <= 0.01
    assert any(unit.kept for unit in subnet.units.values())


def test_pretrained_gated_and_small_are_compared(trained):
    *_, work = trained
    log = logged(work)
    rows = [line for line in log.splitlines() if '│' in line]
    gated, small = (
        next(r for r in rows if f' {name} ' in r).split('│')[2:]
        for name in ('gated', 'small')
    )
    assert gated == small
    full = next(r for r in rows if ' pretrained ' in r)
    assert '100.00%' in full and len(full.split('│')) == len(small) + 2
    assert 'random weights' not in log and 'can move' not in log


def test_the_small_network_is_the_gated_one(trained, repo_root):
    """Built from the two files alone, by the fine-tuning config."""
    runner, _, _, work = trained
    cfg = Config.fromfile(
        repo_root / 'configs' / 'pruning' / 'gate' / 'gate_resnet14_subnet_digits.py'
    )
    cfg.model.subnet = str(work / 'GATE_SUBNET_DIGITS.yaml')
    cfg.model.init_cfg.checkpoint = str(work / 'GATE_SUBNET_DIGITS.pth')
    from mmpretrain.registry import MODELS

    cfg.model.data_preprocessor = cfg.data_preprocessor
    small = MODELS.build(cfg.model)
    small.init_weights()
    x = torch.randn(4, 1, 8, 8)
    with torch.no_grad():
        gated = runner.model.eval()(x)
        assert torch.allclose(small.eval()(x), gated, atol=1e-5)
        small.backbone.conv1.weight.mul_(0)
        assert not torch.allclose(small(x), gated, atol=1e-5)


def test_weights_start_from_the_checkpoint(trained):
    """Tuned, not trained anew: they are still near where they were."""
    runner, start, *_ = trained
    now = runner.model.architecture.state_dict()['backbone.conv1.weight']
    then = start['backbone.conv1.weight']
    change = (now - then).norm() / then.norm()
    assert 0 < change < 0.7


def test_pretrained_weights_may_come_from_init_cfg(trained, repo_root, tmp_path):
    """Of the architecture, instead of ``load_from``; no warning then."""
    _, start, pretrained, _ = trained
    cfg = gate_config(repo_root, tmp_path, None)
    cfg.model.architecture.init_cfg = dict(
        type='Pretrained', checkpoint=str(pretrained)
    )
    runner = Runner.from_cfg(cfg)
    runner._init_model_weights()
    for key, value in runner.model.architecture.state_dict().items():
        assert torch.equal(value, start[key]), key
    assert has_weights(runner, runner.model)


def test_a_resumed_training_ends_where_the_first_did(trained, repo_root, tmp_path):
    """Resumed while gates train, with another folder and no load_from."""
    runner, _, _, work = trained
    cfg = gate_config(repo_root, tmp_path, None)
    cfg.resume, cfg.load_from = True, str(work / 'epoch_1.pth')
    again = Runner.from_cfg(cfg)
    again.train()
    for key, value in runner.model.state_dict().items():
        assert torch.equal(value, again.model.state_dict()[key]), key
    for name in ('GATE_SUBNET_DIGITS.yaml',):
        assert (work / name).read_bytes() == (tmp_path / 'work' / name).read_bytes()
    table = [r for r in logged(tmp_path / 'work').splitlines() if '│' in r]
    assert table[-3:] == [r for r in logged(work).splitlines() if '│' in r][-3:]


def test_random_weights_and_a_rate_that_does_not_fit_are_warned_of(repo_root, tmp_path):
    cfg = gate_config(
        repo_root, tmp_path, None, **{'optim_wrapper.mutator.optimizer.lr': 0.01}
    )
    cfg.train_cfg.max_epochs = 1
    cfg.val_cfg = cfg.val_dataloader = cfg.val_evaluator = None
    Runner.from_cfg(cfg).train()
    log = logged(tmp_path / 'work')
    assert 'random weights' in log and 'load_from=' in log
    assert 'can move 0.03 in the 3 iterations' in log
    assert 'set optim_wrapper.mutator.optimizer.lr=1.7' in log
    assert (tmp_path / 'work' / 'GATE_SUBNET_DIGITS.pth').is_file()


def test_a_loss_that_is_no_number_stops(trained):
    runner = trained[0]
    with pytest.raises(TrainingError, match='loss is nan'):
        GateHook().after_train_iter(
            runner, 0, outputs=dict(loss=torch.tensor(float('nan')))
        )


def test_the_full_networks_weights_are_sliced(trained, repo_root):
    """Of its checkpoint, the small network gets the channels that it keeps."""
    _, _, pretrained, work = trained
    cfg = Config.fromfile(
        repo_root / 'configs' / 'pruning' / 'gate' / 'gate_resnet14_subnet_digits.py'
    )
    cfg.model.subnet = str(work / 'GATE_SUBNET_DIGITS.yaml')
    cfg.model.init_cfg.checkpoint = str(pretrained)
    from mmpretrain.registry import MODELS

    model = MODELS.build(cfg.model)
    model.init_weights()
    full = torch.load(pretrained, weights_only=True)
    kept = model.backbone.conv1.weight.shape[0]
    subnet = Subnet.load(work / 'GATE_SUBNET_DIGITS.yaml')
    rows = subnet.units['backbone.conv1'].kept or range(kept)
    expected = full.get('state_dict', full)['backbone.conv1.weight'][list(rows)]
    assert torch.equal(model.backbone.conv1.weight, expected)


def test_a_small_networks_checkpoint_is_refused(trained, repo_root, tmp_path):
    """Gates on what was left at random would prune noise."""
    *_, work = trained
    cfg = gate_config(repo_root, tmp_path, work / 'GATE_SUBNET_DIGITS.pth')
    with pytest.raises(CheckpointError, match='layers that are pruned have'):
        Runner.from_cfg(cfg).load_or_resume()


def test_a_head_of_other_classes_may_be_new(trained, repo_root, tmp_path):
    _, start, *_ = trained
    path = tmp_path / 'x.pth'
    torch.save({k: v[:5] if '.fc.' in k else v for k, v in start.items()}, path)
    Runner.from_cfg(gate_config(repo_root, tmp_path, path)).load_or_resume()
    assert re.search('lacks 2 of the .*head.fc', logged(tmp_path / 'work'))


@pytest.mark.parametrize(
    'change,error,words',
    [
        (lambda k: 'encoder.' + k, CheckpointError, 'none of its weights'),
        (
            lambda k: k.replace('head.fc', 'head.layer'),
            None,
            'lacks 2 of the .* weights .*head.fc',
        ),
    ],
)
def test_another_networks_checkpoint(
    trained, repo_root, tmp_path, change, error, words
):
    """One that fits nowhere stops the training, one that fits in part is
    warned of, by name."""
    start = trained[1]
    path = tmp_path / 'other.pth'
    torch.save(dict(state_dict={change(k): v for k, v in start.items()}), path)
    cfg = gate_config(repo_root, tmp_path, path)
    runner = Runner.from_cfg(cfg)
    if error:
        with pytest.raises(error, match=words):
            runner.load_or_resume()
    else:
        runner.load_or_resume()
        assert re.search(words, logged(tmp_path / 'work'))
