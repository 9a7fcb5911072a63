"""``mmdmcp inspect``: of a config, and of a model of torchvision."""

import json

import pytest

from mmdmcp.cli import main

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
