"""``make demo-importance``, shortened: before, pruned and small in one table."""

import json
import subprocess
import sys

import pytest

from mmdmcp.subnet import Subnet


@pytest.mark.slow
def test_demo_ends_with_the_table(repo_root, tmp_path):
    command = ['tools/demo.py', '--method', 'importance', '--epochs', '2']
    done = subprocess.run(
        [sys.executable, *command, '--work-dir', str(tmp_path)],
        cwd=repo_root,
        text=True,
        capture_output=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    rows = [line for line in done.stdout.splitlines() if '│' in line]
    labels = [row.split('│')[1].strip() for row in rows]
    assert labels == ['pretrained', 'pruned', 'small']
    path = tmp_path / 'pruned' / 'IMPORTANCE_SUBNET_DIGITS.yaml'
    subnet = Subnet.load(path)
    # What was removed costs nothing from the first iteration on.
    assert all(f'{subnet.cost["macs"]:,}' in row for row in rows[1:])
    assert abs(subnet.cost['macs'] / subnet.target['macs'] - 1) <= 0.01
    top1 = {
        net: json.loads((tmp_path / net / 'test.json').read_text())
        for net in ('pruned', 'small')
    }
    assert top1['pruned'] == top1['small']
