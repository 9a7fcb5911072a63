"""From config and file to ONNX and latency."""

import json
import re
import subprocess
import sys
import time
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch import nn

from mmdmcp import CheckpointError, ConfigError
from mmdmcp.cli import convert, export, latency
from mmdmcp.deploy import latency as measuring
from mmdmcp.deploy import load_pair
from mmdmcp.deploy.latency import measure, report
from mmdmcp.deploy.onnx import ExportError, export_onnx
from mmdmcp.report.tables import quantity
from mmdmcp.subnet import Subnet, UnitWidth
from mmdmcp.supernet import Supernet

STOCK = 'pruning/dmcp/resnet14_digits.py'
SEARCH = 'pruning/dmcp/dmcp_resnet14_supernet_digits.py'
SUBNET = 'pruning/dmcp/dmcp_resnet14_subnet_digits.py'
SHAPE = (1, 8, 8)


@pytest.fixture(scope='module')
def file(tmp_path_factory):
    """Half of every unit of the digits ResNet-14."""
    from mmdmcp.deploy.models import full_model

    supernet = Supernet(full_model(STOCK), SHAPE)
    path = tmp_path_factory.mktemp('subnet') / 'DMCP_SUBNET_DIGITS.yaml'
    supernet.subnet([n // 2 for n in supernet.full], 'dmcp').save(path)
    return str(path)


@pytest.fixture(scope='module')
def checkpoint(file):
    torch.manual_seed(0)
    model = load_pair(STOCK, file).build_pruned()
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.uniform_(module.running_mean, -0.1, 0.1)
            nn.init.uniform_(module.weight, 0.5, 1.5)
    path = file.replace('.yaml', '.pth')
    torch.save(dict(state_dict=model.state_dict()), path)
    return path


@pytest.mark.parametrize('config', [STOCK, SEARCH, SUBNET])
def test_a_config_of_any_role_gives_both_models(config, file):
    pair = load_pair(config, file)
    full = sum(p.numel() for p in pair.build_full().parameters())
    pruned = sum(p.numel() for p in pair.build_pruned().parameters())
    assert pruned == pair.subnet.cost['params'] < full
    assert not pair.build_full().training


def test_a_config_without_a_file_is_refused(file):
    for config in (STOCK, SEARCH):
        with pytest.raises(ConfigError, match='add --subnet'):
            load_pair(config)


def test_weights_must_be_the_pruned_models(file, checkpoint, tmp_path):
    pair = load_pair(STOCK, file)
    pair.build_pruned(checkpoint)
    path = str(tmp_path / 'full.pth')
    torch.save(pair.build_full().state_dict(), path)
    with pytest.raises(CheckpointError, match=r'full.pth does not fit: .* there and'):
        pair.build_pruned(path)
    weights = pair.build_pruned(checkpoint).state_dict()
    torch.save(dict(weights, other=torch.ones(2)), path)
    with pytest.raises(CheckpointError, match='weights that .* lacks: other'):
        pair.build_pruned(path)
    del weights['head.fc.bias']
    torch.save(weights, path)
    with pytest.raises(CheckpointError, match='lacks 1 .*: head.fc.bias'):
        pair.build_pruned(path)
    with pytest.raises(CheckpointError, match='there is no checkpoint'):
        pair.build_pruned(str(tmp_path / 'none.pth'))


class Attack:
    """Unpickling it would create a file."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return open, (self.path, 'w')


def test_a_checkpoint_runs_no_code(file, tmp_path):
    path = str(tmp_path / 'bad.pth')
    torch.save(dict(state_dict=Attack(str(tmp_path / 'hacked'))), path)
    with pytest.raises(CheckpointError, match="can't be loaded"):
        load_pair(STOCK, file).build_pruned(path)
    assert not (tmp_path / 'hacked').exists()


def test_onnx_from_the_command_line(file, checkpoint, tmp_path, capsys):
    onnxruntime = pytest.importorskip('onnxruntime')
    out, program = str(tmp_path / 'net.onnx'), str(tmp_path / 'net.pt2')
    assert (
        export.main(
            [STOCK, checkpoint, out, '--subnet', file, '--torch-export', program]
        )
        == 0
    )
    text = capsys.readouterr().out
    assert float(re.search(r'PyTorch (\S+),', text)[1]) < 1e-5
    assert '[batch, 1, 8, 8]' in text
    # Any batch size, and the same numbers as the program and the model.
    session = onnxruntime.InferenceSession(out)
    model = load_pair(STOCK, file).build_pruned(checkpoint)
    loaded = torch.export.load(program).module()
    for batch in (1, 2, 5):
        image = torch.rand(batch, *SHAPE)
        with torch.no_grad():
            expected = model(image)
            assert torch.allclose(loaded(image)[0], expected, atol=1e-5)
        (found,) = session.run(None, {'image': image.numpy()})
        assert np.allclose(found, expected.numpy(), atol=1e-5)
    assert list(tmp_path.iterdir()) and not list(tmp_path.glob('.*'))


def test_an_export_that_differs_leaves_no_file(
    file, checkpoint, tmp_path, capsys, monkeypatch
):
    """With another model in its place, the check must notice."""
    pytest.importorskip('onnxruntime')
    from mmdmcp.deploy import onnx

    real = onnx.compare

    def other(plain, *rest):
        with torch.no_grad():
            plain.model.head.fc.bias += 0.01
        return real(plain, *rest)

    monkeypatch.setattr(onnx, 'compare', other)
    out = tmp_path / 'net.onnx'
    assert export.main([STOCK, checkpoint, str(out), '--subnet', file]) == 1
    assert re.search(
        r'ExportError: .*differs from PyTorch: .* by 0.01', capsys.readouterr().err
    )
    assert not list(tmp_path.iterdir())


def test_places_that_cant_be_written_are_named(file, tmp_path, capsys):
    pytest.importorskip('onnxruntime')
    (tmp_path / 'taken').touch()
    inside = str(tmp_path / 'taken' / 'net')
    for args in ([inside], [str(tmp_path / 'net.onnx'), '--torch-export', inside]):
        assert export.main([STOCK, 'none', *args, '--subnet', file]) == 1
        assert f"ExportError: {inside} can't be written" in capsys.readouterr().err
    program = tmp_path / 'new' / 'net.pt2'
    assert (
        export.main(
            [
                STOCK,
                'none',
                str(tmp_path / 'net.onnx'),
                '--subnet',
                file,
                '--torch-export',
                str(program),
            ]
        )
        == 0
    )
    assert [path.name for path in program.parent.iterdir()] == ['net.pt2']


class Odd(nn.Module):
    """Nothing that can be exported: it looks at values."""

    def forward(self, image):
        return image if image.sum() > 0 else -image


def test_a_model_that_cant_be_followed_is_named(tmp_path):
    pytest.importorskip('onnxruntime')
    with pytest.raises(ExportError, match="torch.export can't follow"):
        export_onnx(Odd(), str(tmp_path / 'x.onnx'), SHAPE)


def test_latency_of_a_pair(file, capsys):
    pair = load_pair(STOCK, file)
    nets = dict(full=pair.build_full(), pruned=pair.build_pruned())
    found = measure(nets, SHAPE, batch=4, seconds=0.2)
    assert {row.runtime for row in found} <= {'PyTorch', 'onnxruntime'}
    assert all(row.full > 0 and row.pruned > 0 for row in found)
    text = report(nets, SHAPE, found, batch=4, threads=1)
    macs = pair.subnet.cost['macs']
    assert quantity(macs) in text
    assert 'batch 4, 1 thread of' in text and 'warm-up' in text
    assert (
        latency.main(
            [STOCK, '--subnet', file, '--seconds', '0.1', '--no-onnx', '--batch', '2']
        )
        == 0
    )
    assert 'PyTorch' in capsys.readouterr().out


class FakeTimer:
    """Takes 30, 40 or 50 ms for the full net, a quarter for the other."""

    order = []

    def __init__(self, stmt, timer, globals, num_threads):
        self.net = globals['run']()

    def blocked_autorange(self, min_run_time):
        self.order.append(self.net)
        scale = dict(full=1.0, pruned=0.25)[self.net]
        return SimpleNamespace(times=[scale * t for t in (0.03, 0.04, 0.05)])


def test_what_is_made_of_the_times(monkeypatch):
    """Nets in turn, medians, and how far the middle half spreads."""
    monkeypatch.setattr(measuring, 'Timer', FakeTimer)
    runs = dict(full=lambda: 'full', pruned=lambda: 'pruned')
    row = measuring._measure(
        'PyTorch', runs, threads=1, seconds=1.0, clock=time.perf_counter
    )
    assert FakeTimer.order[:4] == ['full', 'pruned'] * 2
    assert (row.full, row.pruned, row.speed_up) == (0.04, 0.01, 4.0)
    assert row.spread == pytest.approx(0.5)


def test_conversion_from_the_command_line(file, tmp_path, capsys):
    out, back = str(tmp_path / 'x.json'), str(tmp_path / 'x.yaml')
    assert convert.main([file, out]) == 0
    content = json.loads((tmp_path / 'x.json').read_text())
    assert content['type'] == 'DMCPChannelMutator'
    assert (
        convert.main([out, back, '--config', STOCK, '--input-shape', '1', '8', '8'])
        == 0
    )
    assert Subnet.load(back) == Subnet.load(file)
    assert 'multiply-accumulates at 1x8x8' in capsys.readouterr().out
    assert convert.main([out, back]) == 1
    assert '--config is missing' in capsys.readouterr().err
    assert convert.main([out, out]) == 1
    assert 'one must end with' in capsys.readouterr().err


def test_a_wider_width_names_the_widen_factor(file, tmp_path, capsys):
    subnet = Subnet.load(file)
    name, unit = next(iter(subnet.units.items()))
    path = tmp_path / 'wide.json'
    path.write_text(json.dumps({f'{name}_(0, {unit.of})_{unit.of}': unit.of * 3 // 2}))
    assert (
        convert.main(
            [
                str(path),
                str(tmp_path / 'x.yaml'),
                '--config',
                STOCK,
                '--input-shape',
                '1',
                '8',
                '8',
            ]
        )
        == 1
    )
    assert re.search(
        re.escape(name) + '.* at least 1.5 times as wide .*widen_factor',
        capsys.readouterr().err,
    )
    assert isinstance(unit, UnitWidth)


@pytest.mark.parametrize(
    'script', ['convert_subnet', 'export_onnx', 'measure_latency', 'publish']
)
def test_the_scripts_start_from_anywhere(script, repo_root, tmp_path):
    done = subprocess.run(
        [sys.executable, '-W', 'ignore',
         repo_root / 'tools' / f'{script}.py', '--help'],
        cwd=tmp_path,
        capture_output=True,
        text=True)  # yapf: disable
    assert done.returncode == 0 and 'usage' in done.stdout
