"""Real processes over gloo: ranks agree on weights, gates and channels."""
import os
import subprocess
import sys
from pathlib import Path

import torch

SCRIPT = Path(__file__).with_name('gate_rank.py')


def train(out, ranks, batch, steps=5):
    environment = dict(
        os.environ,
        OMP_NUM_THREADS='1',
        PYTHONPATH=str(SCRIPT.parents[2]) + os.pathsep +
        os.environ.get('PYTHONPATH', ''))
    command = [sys.executable, '-W', 'ignore']
    if ranks > 1:
        command += [
            '-m', 'torch.distributed.run', '--standalone',
            f'--nproc-per-node={ranks}'
        ]
    subprocess.run(
        [*command, str(SCRIPT),
         str(out), str(batch),
         str(steps)],
        env=environment,
        check=True,
        timeout=300)
    return [
        torch.load(f'{out}.{rank}.pt', weights_only=True)
        for rank in range(ranks)
    ]


def test_two_ranks_equal_one_with_all_samples(tmp_path):
    one, = train(tmp_path / 'one', 1, 8)
    first, second = train(tmp_path / 'two', 2, 4)
    assert one['mutator._extra_state'] and first['mutator._extra_state']
    for name, value in first.items():
        assert torch.equal(value, second[name]), name
        torch.testing.assert_close(
            value,
            one[name],
            rtol=2e-3,
            atol=2e-5,
            msg=lambda m, name=name: f'{name}: {m}')
