"""The page about plain PyTorch runs, block by block, and so does its script."""

import os
import re
import subprocess
import sys

from mmdmcp.subnet import Subnet


def test_every_block_runs_in_turn(repo_root, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    text = (repo_root / 'docs' / 'pytorch.md').read_text()
    blocks = re.findall(r'```python\n(.*?)```', text, re.DOTALL)
    assert len(blocks) == 5
    names = {}
    for block in blocks:
        # As large as is needed; sizes are not what the page is about.
        exec(block.replace('224', '64'), names)
    assert names['found'].reachable and names['logits'].shape == (1, 1000)
    assert all(u.channels % 8 == 0 for u in names['small'].subnet.units.values())
    assert Subnet.load(tmp_path / 'resnet18.yaml').method == 'importance'
    assert 'pruned' in capsys.readouterr().out


def test_the_script_ends_with_a_network_from_its_files(repo_root, tmp_path):
    done = subprocess.run(
        [
            sys.executable,
            '-W',
            'ignore',
            str(repo_root / 'examples' / 'prune_torchvision.py'),
            '--epochs=1',
            '--images=64',
            f'--out={tmp_path}',
        ],
        env={**os.environ, 'PYTHONPATH': str(repo_root)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    subnet = Subnet.load(tmp_path / 'resnet18.yaml')
    assert str({key: subnet.cost[key] for key in ('macs', 'params')}) in done.stdout
    assert re.search(r'full [\d.]+, pruned [\d.]+, tuned [\d.]+', done.stdout)
