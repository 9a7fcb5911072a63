"""One rank of a data-parallel search, started by ``common.ranks.launch``.

    python search_rank.py OUT BATCH STEPS [--slow-rank R] [--norm GN|BN]
                          [--accumulate N]

All ranks share a batch of BATCH x ranks samples.
"""

import argparse
import time

import torch
import torch.distributed as dist
from common.ranks import join, leave, share
from common.small_net import batch, classifier, optimisers

from mmdmcp.engine import SearchDistributed
from mmdmcp.registry import MODELS


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument('out')
    parser.add_argument('batch', type=int)
    parser.add_argument('steps', type=int)
    parser.add_argument('--slow-rank', type=int, default=-1)
    parser.add_argument('--norm', default='GN')
    parser.add_argument('--accumulate', type=int, default=1)
    args = parser.parse_args()
    rank, world = join()
    norm = dict(type='GN', num_groups=1) if args.norm == 'GN' else dict(type='BN')
    algorithm = MODELS.build(
        dict(
            type='mmdmcp.DMCP',
            architecture=classifier(norm_cfg=norm),
            target='50%',
            input_shape=(1, 8, 8),
            arch_start=1,
        )
    )
    algorithm.schedule.set_length(args.steps)
    model = SearchDistributed(algorithm).train()
    wrappers = optimisers(algorithm, lr=0.05, accumulative_counts=args.accumulate)
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
        data = share(batch(args.batch * world, seed=step), rank, world)
        model.train_step(data, wrappers)
        draws.append(algorithm.mutator.choose('random'))
    state = {
        k: v for k, v in algorithm.state_dict().items() if isinstance(v, torch.Tensor)
    }
    leave(args.out, rank, dict(state=state, draws=draws, reductions=calls))


if __name__ == '__main__':
    main()
