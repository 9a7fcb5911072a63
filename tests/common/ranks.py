"""Real processes over gloo, and what each of them ends with."""

import os
import subprocess
import sys
from pathlib import Path

import torch
import torch.distributed as dist

TESTS = Path(__file__).resolve().parents[1]


def launch(script: Path, ranks: int, out: Path, *args) -> list[dict]:
    """Run a script on some ranks.

    Args:
        script: Called with ``out`` and ``args``; each rank calls
            :func:`join` first and :func:`leave` last.
        ranks: How many; 1 is a plain process.
        out: Path that the results' names begin with.

    Returns:
        What each rank left, in their order.
    """
    paths = [str(TESTS.parent), str(TESTS), os.environ.get('PYTHONPATH', '')]
    environment = dict(
        os.environ, OMP_NUM_THREADS='1', PYTHONPATH=os.pathsep.join(filter(None, paths))
    )
    command = [sys.executable, '-W', 'ignore']
    if ranks > 1:
        command += [
            '-m',
            'torch.distributed.run',
            '--standalone',
            f'--nproc-per-node={ranks}',
        ]
    subprocess.run(
        [*command, str(script), str(out), *(str(arg) for arg in args)],
        env=environment,
        check=True,
        timeout=300,
    )
    return [torch.load(f'{out}.{rank}.pt', weights_only=True) for rank in range(ranks)]


def join() -> tuple[int, int]:
    """Called by a rank: its number and how many there are.

    Ranks start with different random weights; the model's wrapper makes
    them the same.
    """
    from mmengine.registry import init_default_scope

    torch.set_num_threads(1)
    rank, world = 0, int(os.environ.get('WORLD_SIZE', 1))
    if world > 1:
        dist.init_process_group('gloo')
        rank = dist.get_rank()
    init_default_scope('mmpretrain')
    torch.manual_seed(rank)
    return rank, world


def share(data: dict, rank: int, world: int) -> dict:
    """A rank's samples of a common batch: every ``world``-th, as MMEngine's
    sampler deals them."""
    return {key: value[rank::world] for key, value in data.items()}


def leave(out: str, rank: int, result: dict) -> None:
    """Called by a rank: write its result and leave the group.

    A process that ends inside its group may abort: threads of gloo still
    run. Together, since rank 0 keeps the store that the others read.
    """
    torch.save(result, f'{out}.{rank}.pt')
    if dist.is_initialized():
        dist.barrier()
        dist.destroy_process_group()
