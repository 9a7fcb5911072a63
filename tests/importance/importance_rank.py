"""One rank of a data-parallel pruning by importance, started by
``common.ranks.launch``.

    python importance_rank.py OUT BATCH STEPS

All ranks share a batch of BATCH x ranks samples.
"""

import sys

import torch
from common.ranks import join, leave, share
from common.small_net import batch, classifier
from mmengine.optim import OptimWrapper

from mmdmcp.engine import SearchDistributed
from mmdmcp.registry import MODELS


def main(out: str, size: int, steps: int) -> None:
    rank, world = join()
    # Its statistics are a sample's own: ranks add up to one batch.
    norm = dict(type='GN', num_groups=1)
    algorithm = MODELS.build(
        dict(
            type='mmdmcp.ImportancePruning',
            architecture=classifier(norm_cfg=norm),
            target='50%',
            input_shape=(1, 8, 8),
            mutator=dict(criterion='taylor'),
            steps=2,
            until=2,
        )
    )
    algorithm.schedule.set_length(steps)
    model = SearchDistributed(algorithm).train()
    optimizer = torch.optim.SGD(algorithm.architecture.parameters(), lr=0.02)
    wrapper = OptimWrapper(optimizer)
    for step in range(steps):
        data = share(batch(size * world, seed=step), rank, world)
        progress = algorithm.schedule.moments().get(step)
        if progress is not None:
            algorithm.prune(progress, [data])
        model.train_step(data, wrapper)
    leave(out, rank, dict(algorithm.state_dict()))


if __name__ == '__main__':
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
