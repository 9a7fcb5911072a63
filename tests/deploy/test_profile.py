"""Profiles of a device whose times are known: a nanosecond a MAC."""

import math
from dataclasses import replace

import pytest
import torch
from common.small_net import classifier
from mmengine.registry import init_default_scope
from torch import nn

import mmdmcp
from mmdmcp.cli import main
from mmdmcp.cost import count
from mmdmcp.deploy.profile import measure_profile
from mmdmcp.deploy.timing import Runtime
from mmdmcp.dmcp.candidates import drawn_candidates, expected_candidate
from mmdmcp.errors import ConfigError, ProfileError, TargetError
from mmdmcp.latency import Profile
from mmdmcp.registry import MODELS

SHAPE = (1, 8, 8)
CONFIG = 'configs/pruning/dmcp/dmcp_resnet14_supernet_digits.py'


@pytest.fixture(autouse=True, scope='module')
def _device():
    init_default_scope('mmpretrain')
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Runtime, 'time', lambda self, run, inputs=(): count(run) + 1)
        yield


def search(depth=14, **options):
    architecture = classifier(depth, base_channels=16)
    usual = dict(type='mmdmcp.DMCP', target='50%', input_shape=SHAPE)
    return MODELS.build(dict(usual, architecture=architecture, **options))


def measured(**options):
    mutator = search().mutator
    choices = [unit.choices for unit in mutator.units]
    return measure_profile(
        mutator.supernet, choices, Runtime('pytorch'), 'x', **options
    )


@pytest.fixture(scope='module')
def profile(tmp_path_factory):
    path = tmp_path_factory.mktemp('profile') / 'L.yaml'
    measured().save(path)
    return str(path)


def test_layers_of_one_shape_are_timed_once(profile):
    found = Profile.load(profile)
    layers = [name for block in found.blocks for name in block.layers]
    assert len(layers) == len(set(layers)) == 16 and len(found.blocks) == 12
    stem = found.blocks[0]
    assert stem.what.startswith('Conv2d(1, 16') and 'BatchNorm2d, ReLU' in stem.what
    assert stem.ins == (1,) and stem.outs[-1] == 16
    # A block of 3x3 filters at 8x8 positions: its MACs, and one.
    assert stem.ns == (tuple(9 * 64 * out + 1 for out in stem.outs),)
    assert 0.99 < found.rest.scale < 1.01 and found.rest.off < 0.001


def test_a_search_ends_at_its_latency(profile):
    algorithm = search(target=dict(latency='60%'), profile=profile)
    (limit,) = algorithm.budget
    full = count(lambda: algorithm.architecture(torch.zeros(1, *SHAPE)))
    assert limit.full == pytest.approx(full / 1e3, rel=0.002)
    mutator = algorithm.mutator
    found = [expected_candidate(mutator, algorithm.budget, 0.01)]
    found += drawn_candidates('direct', mutator, algorithm.budget, 0.01, 3)
    assert len(found) > 1
    for candidate in found:
        net = algorithm.cut(candidate.widths)
        took = count(lambda net=net: net(torch.zeros(1, *SHAPE)))
        assert took == pytest.approx(0.6 * full, rel=0.015)
    subnet = algorithm.export_subnet(found[0].widths)
    assert subnet.target == dict(latency_us=limit.value)
    assert subnet.cost['latency_us'] == found[0].cost['latency_us']


@pytest.mark.parametrize('method', ['ImportancePruning', 'TrainableGate'])
def test_other_methods_end_there_too(method, profile):
    """Any channels may go; the gates are cut as at the end of a training."""
    algorithm = search(
        type=f'mmdmcp.{method}', target=dict(latency='60%'), profile=profile
    )
    if method == 'ImportancePruning':
        algorithm.prune()
    else:
        algorithm.mutator.freeze(algorithm.budget, algorithm.tolerance)
    net = algorithm.cut()
    took = count(lambda: net(torch.zeros(1, *SHAPE)))
    assert took == pytest.approx(0.6 * algorithm.cost_of('max')['macs'], rel=0.02)


def test_a_profile_of_something_else_is_refused(profile):
    with pytest.raises(ProfileError, match=r'\[1, 8, 8\], but input_shape is \[1, 16'):
        search(profile=profile, input_shape=(1, 16, 16))
    with pytest.raises(ProfileError, match='is of another network.*mmdmcp profile'):
        search(depth=8, profile=profile)
    with pytest.raises(TargetError, match='latency is not known: name a profile'):
        search(target=dict(latency='50%'))


def test_a_target_below_the_grid_names_the_least(profile):
    least = search(profile=profile).cost_of('min')['latency_us']
    with pytest.raises(TargetError, match=f'the network has {least / 1e3:.3f} ms'):
        search(target=dict(latency='1%'), profile=profile)


def test_what_was_not_finished_goes_on(profile):
    found = Profile.load(profile)
    half = replace(found, blocks=found.blocks[::2], networks=(), rest=None)
    again = measured(known=half)
    assert {block.rounds for block in again.blocks} == {3}
    assert set(again.blocks) == set(found.blocks)
    assert again.rest.scale == pytest.approx(found.rest.scale, abs=0.001)


def test_a_busy_machine_is_told(monkeypatch):
    slower = iter(range(1, 10**6))
    monkeypatch.setattr(Runtime, 'time', lambda *_: 1000 * next(slower) ** 3)
    with pytest.raises(ProfileError, match=r'too busy to measure.*differ by \d+%'):
        measured(points=2, networks=2)


def test_the_command_line(repo_root, tmp_path, capsys):
    config, out = str(repo_root / CONFIG), str(tmp_path / 'L.yaml')
    argv = ['profile', config, '-o', out, '--points', '2', '--networks', '3']
    assert main(argv) == 0
    printed = capsys.readouterr()
    assert 'pytorch, batch 1, 1x8x8, 1 thread' in printed.out
    assert '3 networks' in printed.out and 'chains' not in printed.out + printed.err
    assert main([*argv, '--batch', '2']) == 1
    assert 'batch: 1, not 2' in capsys.readouterr().err
    assert main([*argv, '--device', 'cuda:77']) == 1
    assert '--device cuda:77' in capsys.readouterr().err


def test_any_module_is_profiled_and_pruned(tmp_path):
    """Several targets, each from the full network."""
    torch.manual_seed(0)
    net = nn.Sequential(
        nn.Conv2d(3, 16, 3), nn.ReLU(), nn.Conv2d(16, 32, 3), nn.Flatten(1)
    )
    net.append(nn.Linear(32 * 16, 5))
    x, path = torch.rand(1, 3, 8, 8), tmp_path / 'L.yaml'
    mmdmcp.profile(net, x, path)
    targets = [dict(latency='60%'), '60%', dict(latency='40%')]
    found = mmdmcp.prune(net, targets, x, profile=path, tolerance=0.02)
    full = count(lambda: net(x))
    for small, ratio in zip(found, (0.6, 0.6, 0.4)):
        assert count(lambda: small.model(x)) == pytest.approx(ratio * full, rel=0.03)
    assert found[0].subnet.target.keys() == {'latency_us'} != found[1].subnet.target
    alone = mmdmcp.prune(net, targets[2], x, profile=path, tolerance=0.02)
    assert alone.subnet == found[2].subnet
    assert mmdmcp.inspect(net, x, targets, profile=path).reachable
    with pytest.raises(ConfigError, match='takes one tensor'):
        mmdmcp.profile(net, (x,), path)


def test_divisor_is_what_pays_on_the_device(profile, tmp_path, monkeypatch):
    """A device that computes eight channels at a time."""

    def eights(self, modules, inputs):
        conv = modules[0]
        sizes = (conv.weight.shape[0], conv.weight[0].shape[0])
        return 1000 * math.prod(math.ceil(size / 8) for size in sizes)

    monkeypatch.setattr(Runtime, 'time_layers', eights)
    found = measured(points=2, networks=2)
    ratios = found.multiples
    assert ratios[8] == 1 < 1.05 < ratios[4] < ratios[2] < ratios[1]
    path = str(tmp_path / 'L.yaml')
    replace(Profile.load(profile), multiples=ratios).save(path)
    widths = {16: 4, 32: 8, 64: 8}  # four multiples stay
    for options in (
        dict(type='mmdmcp.DMCP'),
        dict(type='mmdmcp.ImportancePruning', mutator=dict(divisor='auto')),
    ):
        algorithm = search(profile=path, **options)
        for unit in algorithm.mutator.units:
            step = widths[unit.num_channels]
            assert {width % step for width in unit.choices} == {0}
    with pytest.raises(
        ConfigError, match="divisor='auto' takes the multiple.*name one"
    ):
        search(**options)


def test_onnxruntime_is_timed_on_the_cpu(monkeypatch):
    monkeypatch.setattr(
        'mmdmcp.deploy.timing.usable_device', lambda device: torch.device(device)
    )
    with pytest.raises(ConfigError, match='with --device cpu only'):
        Runtime('onnxruntime', 'cuda')


def test_predicted_stands_below_measured(repo_root, profile, tmp_path, capsys):
    algorithm = search(target=dict(latency='60%'), profile=profile)
    subnet = algorithm.export_subnet('min')
    subnet.save(tmp_path / 'S.yaml')
    argv = ['latency', str(repo_root / CONFIG), '--subnet', str(tmp_path / 'S.yaml')]
    argv += ['--profile', profile, '--seconds', '0.05', '--no-onnx']
    assert main(argv) == 0
    row = next(x for x in capsys.readouterr().out.splitlines() if 'predicted' in x)
    assert f'{algorithm.cost_of("max")["latency_us"] / 1e3:.1f} ms' in row
    assert main([*argv, '--threads', '2']) == 1
    assert 'was measured with --threads 1, not 2' in capsys.readouterr().err
