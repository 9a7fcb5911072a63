"""One rank of a data-parallel training with gates, started by
``common.ranks.launch``.

    python gate_rank.py OUT BATCH STEPS

All ranks share a batch of BATCH x ranks samples.
"""

import sys

from common.ranks import join, leave, share
from common.small_net import batch, classifier, plain_optimisers

from mmdmcp.engine import SearchDistributed
from mmdmcp.registry import MODELS


def main(out: str, size: int, steps: int) -> None:
    rank, world = join()
    # Its statistics are a sample's own: ranks add up to one batch.
    norm = dict(type='GN', num_groups=1)
    algorithm = MODELS.build(
        dict(
            type='mmdmcp.TrainableGate',
            architecture=classifier(norm_cfg=norm),
            target='50%',
            input_shape=(1, 8, 8),
            ramp=0.4,
            freeze=0.8,
        )
    )
    algorithm.schedule.set_length(steps)
    model = SearchDistributed(algorithm).train()
    algorithm.mutator.start()
    wrappers = plain_optimisers(algorithm, lr=0.02, mutator_lr=0.5)
    for step in range(steps):
        data = share(batch(size * world, seed=step), rank, world)
        model.train_step(data, wrappers)
    leave(out, rank, dict(algorithm.state_dict()))


if __name__ == '__main__':
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
