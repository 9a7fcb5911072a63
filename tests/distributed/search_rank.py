"""One rank of a data-parallel search, started by torchrun.

    python search_rank.py OUT BATCH STEPS [--slow-rank R] [--norm GN|BN]
                          [--accumulate N]

Rank r of w takes the samples r, r + w, ... of a common batch of BATCH x w,
as MMEngine's sampler deals them, and writes ``OUT.<rank>.pt``.
"""
import argparse
import os
import sys
import time
from pathlib import Path

import torch
import torch.distributed as dist

sys.path.insert(0, str(Path(__file__).parents[1] / 'dmcp'))

from small_net import batch, classifier, optimisers  # noqa: E402

from mmdmcp.engine import SearchDistributed  # noqa: E402
from mmdmcp.registry import MODELS  # noqa: E402


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument('out')
    parser.add_argument('batch', type=int)
    parser.add_argument('steps', type=int)
    parser.add_argument('--slow-rank', type=int, default=-1)
    parser.add_argument('--norm', default='GN')
    parser.add_argument('--accumulate', type=int, default=1)
    args = parser.parse_args()
    torch.set_num_threads(1)
    if int(os.environ.get('WORLD_SIZE', 1)) > 1:
        dist.init_process_group('gloo')
    rank = dist.get_rank() if dist.is_initialized() else 0
    world = dist.get_world_size() if dist.is_initialized() else 1

    from mmengine.registry import init_default_scope
    init_default_scope('mmpretrain')
    torch.manual_seed(rank)  # ranks start apart; the wrapper joins them
    norm = dict(type='GN', num_groups=1) if args.norm == 'GN' else \
        dict(type='BN')
    algorithm = MODELS.build(
        dict(
            type='mmdmcp.DMCP',
            architecture=classifier(norm_cfg=norm),
            target='50%',
            input_shape=(1, 8, 8),
            arch_start=1))
    algorithm.schedule.set_length(args.steps)
    model = SearchDistributed(algorithm).train()
    wrappers = optimisers(
        algorithm, lr=0.05, accumulative_counts=args.accumulate)
    calls = []
    counted = dist.all_reduce

    def count(tensor, *a, **k):
        calls.append(tensor.numel())
        return counted(tensor, *a, **k)

    dist.all_reduce = count
    draws = []
    for step in range(args.steps):
        if rank == args.slow_rank:
            time.sleep(0.2)
        data = batch(args.batch * world, seed=step)
        data = {key: value[rank::world] for key, value in data.items()}
        model.train_step(data, wrappers)
        draws.append(algorithm.mutator.choose('random'))
    torch.save(
        dict(
            state={
                k: v
                for k, v in algorithm.state_dict().items()
                if isinstance(v, torch.Tensor)
            },
            draws=draws,
            reductions=calls), f'{args.out}.{rank}.pt')


if __name__ == '__main__':
    main()
