"""One rank of a data-parallel training with gates, started by torchrun.

    python gate_rank.py OUT BATCH STEPS

Rank r of w takes the samples r, r + w, ... of a common batch of BATCH x w
and writes ``OUT.<rank>.pt``.
"""
import os
import sys
from pathlib import Path

import torch
import torch.distributed as dist

sys.path.insert(0, str(Path(__file__).parent))

from gated_net import batch, classifier, optimisers  # noqa: E402

from mmdmcp.engine import SearchDistributed  # noqa: E402
from mmdmcp.registry import MODELS  # noqa: E402


def main(out: str, size: int, steps: int) -> None:
    torch.set_num_threads(1)
    if int(os.environ.get('WORLD_SIZE', 1)) > 1:
        dist.init_process_group('gloo')
    rank = dist.get_rank() if dist.is_initialized() else 0
    world = dist.get_world_size() if dist.is_initialized() else 1
    from mmengine.registry import init_default_scope
    init_default_scope('mmpretrain')
    torch.manual_seed(rank)  # ranks start apart; the wrapper joins them
    architecture = classifier()
    # Its statistics are a sample's own: ranks add up to one batch.
    architecture['backbone']['norm_cfg'] = dict(type='GN', num_groups=1)
    algorithm = MODELS.build(
        dict(
            type='mmdmcp.TrainableGate',
            architecture=architecture,
            target='50%',
            input_shape=(1, 8, 8),
            ramp=0.4,
            freeze=0.8))
    algorithm.schedule.set_length(steps)
    model = SearchDistributed(algorithm).train()
    algorithm.mutator.start()
    wrappers = optimisers(algorithm, lr=0.02, gate_lr=0.5)
    for step in range(steps):
        data = batch(size * world, seed=step)
        model.train_step({
            k: v[rank::world]
            for k, v in data.items()
        }, wrappers)
    torch.save(dict(algorithm.state_dict()), f'{out}.{rank}.pt')


if __name__ == '__main__':
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
