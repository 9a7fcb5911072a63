"""``make demo``, shortened: the commands of a user, and their table."""

import importlib.util
import json
import subprocess
import sys
from dataclasses import replace

import pytest

from mmdmcp.subnet import Subnet

SEARCH = 'configs/pruning/dmcp/dmcp_resnet14_supernet_digits.py'


@pytest.fixture
def load(repo_root, monkeypatch):
    """A script of tools/ as a module; what it does to the path is undone."""

    def use(name):
        monkeypatch.setattr(sys, 'path', ['', *sys.path])
        spec = importlib.util.spec_from_file_location(
            name, repo_root / 'tools' / f'{name}.py'
        )
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        return module

    return use


@pytest.fixture
def demo(load):
    return load('demo')


@pytest.fixture
def steps(load):
    return load('steps')


@pytest.mark.slow
def test_demo_ends_with_the_table_and_repeats(repo_root, tmp_path):
    """Two epochs of each run; the same seed gives the same file."""
    done = subprocess.run(
        [sys.executable, 'tools/demo.py', '--epochs', '2', '--work-dir', str(tmp_path)],
        cwd=repo_root,
        text=True,
        capture_output=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    for row in ('full', 'DMCP subnet'):
        line = next(x for x in done.stdout.splitlines() if f'│ {row} ' in x)
        assert line.count('%') == 2
    path = tmp_path / 'search' / 'DMCP_SUBNET_DIGITS.yaml'
    subnet = Subnet.load(path)
    assert abs(subnet.cost['macs'] / subnet.target['macs'] - 1) <= 0.01
    for net in ('full', 'subnet'):
        result = json.loads((tmp_path / net / 'test.json').read_text())
        assert 0 < result['accuracy/top1'] <= 100

    subprocess.run(
        [
            sys.executable,
            'tools/train.py',
            SEARCH,
            '--work-dir',
            str(tmp_path / 'again'),
            '--cfg-options',
            'randomness.seed=0',
            'train_cfg.max_epochs=2',
        ],
        cwd=repo_root,
        check=True,
        capture_output=True,
    )
    again = tmp_path / 'again' / 'DMCP_SUBNET_DIGITS.yaml'
    assert again.read_bytes() == path.read_bytes()


def test_progress_reads_mmengines_log(steps, capsys):
    progress = steps.Progress(epochs=40)
    progress('Epoch(train)  [9][17/17]  lr: 1e-1  loss: 0.5')
    progress(
        'Epoch(val) [10][3/3]    max/accuracy/top1: 97.4930  '
        'expected/accuracy/top1: 95.2646  data_time: 0.0031'
    )
    progress('Epoch(train) [10][17/17]  base_lr: 1e-2  loss: 0.0256  x: 1')
    progress('Epoch(train) [11][ 2/17]  base_lr: 1e-2  loss: 0.0255  x: 1')
    printed = capsys.readouterr().out
    assert printed.count('\n') == 1  # a line a quarter
    assert 'epoch  10/40   25%  loss  0.0256  max/val top-1 97.5 %' in printed
    assert 'expected/val top-1 95.3 %' in printed


def test_a_failing_command_shows_its_last_words(steps, tmp_path, capsys):
    script = tmp_path / 'script.py'
    script.write_text('print("what went wrong"); raise SystemExit(3)')
    log = tmp_path / 'logs' / 'a.log'
    with pytest.raises(SystemExit, match='a.log'):
        steps.run([str(script)], log, lambda line: None)
    assert 'what went wrong' in capsys.readouterr().out
    assert log.read_text() == 'what went wrong\n'


@pytest.mark.parametrize(
    'macs, target, message',
    [
        (7, 2_200_000_000, 'torch counts 7'),
        (2_194_130_032, 2_300_000_000, 'off the target'),
    ],
)
def test_flops_that_are_not_as_promised_are_refused(
    demo, repo_root, tmp_path, macs, target, message
):
    published = Subnet.load(
        repo_root / 'configs/pruning/dmcp/DMCP_SUBNET_IMAGENET.yaml'
    )
    path = tmp_path / 'DMCP_SUBNET.yaml'
    replace(published, target=dict(macs=target)).save(path)
    with pytest.raises(SystemExit, match=message):
        demo.check_flops(macs, path)
