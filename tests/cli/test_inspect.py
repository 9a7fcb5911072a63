"""``mmdmcp inspect``: of a config, and of a model of torchvision."""

import json

import pytest

from mmdmcp.cli import main
from mmdmcp.deploy.models import read_model_config
from mmdmcp.registry import MODELS
from mmdmcp.subnet import Subnet

CONFIG = 'configs/pruning/dmcp/dmcp_resnet14_supernet_digits.py'


def inspected(capsys, *argv):
    assert main(['inspect', *argv, '--json']) == 0
    return json.loads(capsys.readouterr().out.splitlines()[-1])


def test_a_search_has_its_grid_shape_and_target(repo_root, capsys):
    found = inspected(capsys, str(repo_root / CONFIG))
    assert found['input_shape'] == [1, 8, 8] and len(found['units']) == 9
    conv1 = found['units'][0]
    assert conv1['name'] == 'backbone.conv1' and conv1['channels'] == 16
    assert conv1['widths'][0] == 2 and conv1['widths'][-1] == 16
    assert 'backbone.layer1.0.conv2' in conv1['layers']
    assert found['full'] == dict(macs=1648256, params=174970)
    assert found['target'] == dict(macs=824128) and found['reachable'] is True
    (whole,) = found['kept_whole']
    assert whole == dict(name='head.fc', reason="its channels are the model's output")


def test_a_target_that_cant_be_met_is_an_answer(repo_root, capsys):
    found = inspected(capsys, str(repo_root / CONFIG), '--target', '1%')
    assert found['reachable'] is False
    assert found['narrowest']['macs'] > found['target']['macs']


@pytest.mark.parametrize('method', ['gate', 'importance'])
def test_every_method_is_inspected(repo_root, capsys, method):
    path = repo_root / f'configs/pruning/{method}/{method}_resnet14_digits.py'
    found = inspected(capsys, str(path))
    assert len(found['units']) == 9 and found['reachable'] is True
    least = dict(gate=1, importance=2)[method]
    assert found['units'][0]['widths'][0] == least


def test_a_stock_config_takes_a_shape(repo_root, capsys):
    path = repo_root / 'configs/pruning/dmcp/resnet14_digits.py'
    shape = ['--input-shape', '1', '16', '16']
    found = inspected(capsys, str(path), *shape)
    assert found['input_shape'] == [1, 16, 16] and found['target'] is None


def test_a_model_of_torchvision(capsys):
    """Its numbers are those that a pruned one is written with."""
    argv = ['--model', 'torchvision:resnet18', '--input-shape', '3', '32', '32']
    found = inspected(capsys, *argv, '--target', '50%')
    assert len(found['units']) == 12 and found['reachable'] is True
    assert found['target']['macs'] == round(found['full']['macs'] / 2)
    assert main(['inspect', *argv]) == 0
    table = capsys.readouterr().out
    assert 'ResNet: 12 units can be pruned' in table and '7 to 64' in table


@pytest.mark.parametrize(
    'name,words',
    [
        ('resnet18', 'write torchvision:NAME'),
        ('torchvision:resnet19', 'torchvision has no such model'),
    ],
)
def test_unknown_models_are_named(capsys, name, words):
    assert main(['inspect', '--model', name]) == 1
    assert words in capsys.readouterr().err


def test_the_network_to_beat_is_written(repo_root, capsys, tmp_path):
    path = tmp_path / 'UNIFORM_SUBNET.yaml'
    found = inspected(capsys, str(repo_root / CONFIG), '--uniform', str(path))
    subnet = Subnet.load(path)
    assert subnet.target == found['target'] == dict(macs=824128)
    assert subnet.cost['macs'] == pytest.approx(824128, rel=0.01)
    assert {(u.channels, u.of) for u in subnet.units.values()} == {
        (11, 16),
        (23, 32),
        (46, 64),
    }
    config = repo_root / 'configs/pruning/dmcp/dmcp_resnet14_subnet_digits.py'
    model = MODELS.build(read_model_config(config, {'model.subnet': str(path)}))
    counted = sum(p.numel() for p in model.parameters())
    assert counted == subnet.cost['params']


def test_so_is_the_balanced_one(repo_root, capsys, tmp_path):
    paths = [tmp_path / f'{name}.yaml' for name in ('uniform', 'balanced')]
    inspected(
        capsys,
        str(repo_root / CONFIG),
        '--uniform',
        str(paths[0]),
        '--balanced',
        str(paths[1]),
    )
    uniform, balanced = map(Subnet.load, paths)
    assert balanced.method == 'balanced' and balanced.target == uniform.target
    assert balanced.cost['macs'] == pytest.approx(824128, rel=0.01)
    assert balanced.units != uniform.units


@pytest.mark.parametrize(
    ('targets', 'given'), [([], 'no target'), (['--target', '50%'], None)]
)
def test_a_stock_config_has_no_target_of_its_own(
    targets, given, repo_root, capsys, tmp_path
):
    config = str(repo_root / 'configs/pruning/dmcp/resnet14_digits.py')
    shape = ['--input-shape', '1', '8', '8']
    path = tmp_path / 'U.yaml'
    failed = main(['inspect', config, *shape, *targets, '--uniform', str(path)])
    error = capsys.readouterr().err
    assert failed == (given is not None) and path.exists() != failed
    if given:
        assert given in error and '--target 50%' in error
