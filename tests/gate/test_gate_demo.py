"""``make demo-gate``, shortened: before, gated and small in one table."""

import json
import subprocess
import sys

import pytest

from mmdmcp.subnet import Subnet


@pytest.mark.slow
def test_demo_ends_with_the_table(repo_root, tmp_path):
    done = subprocess.run(
        [
            sys.executable,
            'tools/demo.py',
            '--method',
            'gate',
            '--epochs',
            '2',
            '--work-dir',
            str(tmp_path),
        ],
        cwd=repo_root,
        text=True,
        capture_output=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    rows = [line for line in done.stdout.splitlines() if '│' in line]
    assert [row.split('│')[1].strip() for row in rows] == [
        'pretrained',
        'gated',
        'small',
    ]
    subnet = Subnet.load(tmp_path / 'gated' / 'GATE_SUBNET_DIGITS.yaml')
    assert f'{subnet.cost["macs"]:,}' in rows[2]
    assert abs(subnet.cost['macs'] / subnet.target['macs'] - 1) <= 0.01
    # Cutting out what is zero changes no prediction.
    top1 = {
        net: json.loads((tmp_path / net / 'test.json').read_text())
        for net in ('gated', 'small')
    }
    assert top1['gated'] == top1['small']
