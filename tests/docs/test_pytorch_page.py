"""The page about plain PyTorch runs, block by block, and so does its script."""

import os
import re
import subprocess
import sys

import pytest
import torch
import torchvision

from mmdmcp.deploy.timing import Runtime
from mmdmcp.subnet import Subnet, apply


def size(modules):
    return 1 + sum(p.numel() for module in modules for p in module.parameters())


def test_every_block_runs_in_turn(repo_root, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    # A device that takes a nanosecond for each parameter, in one round.
    monkeypatch.setattr(Runtime, 'time_layers', lambda _, layers, __: size(layers))
    monkeypatch.setattr(Runtime, 'maker', lambda _, net, __: lambda: [net])
    monkeypatch.setattr(Runtime, 'time', lambda _, nets: size(nets))
    monkeypatch.setattr('mmdmcp.deploy.timed.ROUNDS', (1, 1))
    text = (repo_root / 'docs' / 'pytorch.md').read_text()
    blocks = re.findall(r'```python\n(.*?)```', text, re.DOTALL)
    assert len(blocks) == 9
    names = {}
    for block in blocks:
        # As large as is needed; sizes are not what the page is about.
        exec(block.replace('224', '64'), names)
    assert names['found'].reachable and names['logits'].shape == (1, 1000)
    assert names['small'].subnet.method == 'gate'
    assert names['search'].iteration == 10
    assert Subnet.load(tmp_path / 'resnet18.yaml').method == 'importance'
    assert 'pruned' in capsys.readouterr().out


def run(repo_root, script, *options):
    paths = [str(repo_root), os.environ.get('PYTHONPATH', '')]
    done = subprocess.run(
        [
            sys.executable,
            '-W',
            'ignore',
            str(repo_root / 'examples' / script),
            *options,
        ],
        env={**os.environ, 'PYTHONPATH': os.pathsep.join(paths)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.parametrize(
    'script,name', [('prune_torchvision', 'resnet18'), ('prune_timm', 'resnet10t')]
)
def test_pruning_scripts_end_with_a_network_from_its_files(
    repo_root, tmp_path, script, name
):
    if script == 'prune_timm':
        pytest.importorskip('timm', reason='the script prunes models of timm')
    options = ('--epochs=1', '--images=64', f'--out={tmp_path}')
    text = run(repo_root, f'{script}.py', *options)
    subnet = Subnet.load(tmp_path / f'{name}.yaml')
    assert str({key: subnet.cost[key] for key in ('macs', 'params')}) in text
    assert re.search(r'full [\d.]+, pruned [\d.]+, tuned [\d.]+', text)


def test_the_searching_script_ends_with_a_network_at_the_target(repo_root, tmp_path):
    options = ('--epochs=2', '--images=160', f'--out={tmp_path}')
    text = run(repo_root, 'search_torchvision.py', *options)
    subnet = Subnet.load(tmp_path / 'resnet18.yaml')
    assert subnet.method == 'dmcp' and f'{subnet.cost["macs"] / 1e6:.2f} M' in text
    assert abs(subnet.cost['macs'] / subnet.target['macs'] - 1) <= 0.01
    small = apply(torchvision.models.resnet18(num_classes=10), subnet)
    small.load_state_dict(torch.load(tmp_path / 'resnet18.pth', weights_only=True))
