"""The benchmark runs and says what it promises."""

import json
import subprocess
import sys


def test_step_cost_prints_one_object_of_ratios(repo_root):
    done = subprocess.run(
        [
            sys.executable,
            'benchmarks/step_cost.py',
            '--model',
            'resnet18',
            '--size',
            '32',
            '--batch',
            '2',
            '--rounds',
            '2',
        ],
        cwd=repo_root,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    assert {
        'stage1',
        'stage1_static',
        'stage1_over_static',
        'stage2',
        'expected_cost',
        'draw',
        'select',
        'build',
        'export',
        'rebuild',
        'gates',
        'gates_frozen',
    } <= set(report)
    # Counted, not timed: the same on every machine.
    assert 0.9 < report['memory'] <= 1.10


def test_precision_compares_every_setting_with_float32(repo_root):
    options = '--model resnet18 --size 32 --batch 2 --rounds 1 --pieces plain search'
    done = subprocess.run(
        [sys.executable, 'benchmarks/precision.py', *options.split()],
        cwd=repo_root,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    for piece in ('plain', 'search'):
        assert set(report[piece]) == {
            'seconds',
            'channels_last',
            'mixed',
            'mixed_channels_last',
        }
    assert 'gates' not in report
