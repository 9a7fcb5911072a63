"""The GPU benchmark runs, tried on a CPU, and says what failed."""

import json
import subprocess
import sys

import pytest
import torch

SCRIPT = 'benchmarks/gpu.py'


def run(repo_root, *options):
    return subprocess.run(
        [sys.executable, SCRIPT, *options],
        cwd=repo_root,
        capture_output=True,
        text=True,
    )


@pytest.mark.skipif(torch.cuda.is_available(), reason='there is a GPU')
def test_without_a_gpu_it_says_so(repo_root):
    done = run(repo_root)
    assert done.returncode == 0
    assert 'no GPU here' in done.stdout


def test_a_resumed_search_is_the_same(repo_root, tmp_path):
    out = tmp_path / 'gpu.json'
    options = ['--device', 'cpu', '--epochs', '2', '--work-dir', tmp_path, '--out', out]
    done = run(repo_root, *map(str, options), '--only', 'search', '--minutes', '3')
    report = json.loads(out.read_text())
    assert done.returncode == 0, report
    assert set(report['checks']) == {
        'search',
        'search, mixed precision',
        'search, resumed',
    }
    assert report['resumed_like_uninterrupted']


def test_what_fails_is_reported_and_the_rest_goes_on(repo_root, tmp_path):
    out = tmp_path / 'gpu.json'
    options = ['--device', 'cpu', '--epochs', '1', '--work-dir', tmp_path, '--out', out]
    done = run(
        repo_root, *map(str, options), '--only', 'latency', 'step', '--minutes', '0'
    )
    checks = json.loads(out.read_text())['checks']
    assert done.returncode == 1
    assert len(checks) == 5
    assert not any(check['passed'] for check in checks.values())
    assert all('stopped' in check['output'] for check in checks.values())
