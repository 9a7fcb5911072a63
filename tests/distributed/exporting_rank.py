"""One rank of a training with gates that ends, started by
``common.ranks.launch``.

    python exporting_rank.py OUT
"""

import logging
import sys
from types import SimpleNamespace

from common.ranks import join, leave, share
from common.small_net import batch, classifier, optimisers

from mmdmcp.engine import SearchDistributed
from mmdmcp.gate.hooks import GateHook
from mmdmcp.registry import MODELS


def statistics(algorithm) -> dict:
    return {
        name: value.clone()
        for name, value in algorithm.architecture.state_dict().items()
        if 'running' in name
    }


def main(out: str) -> None:
    rank, world = join()
    algorithm = MODELS.build(
        dict(
            type='mmdmcp.TrainableGate',
            architecture=classifier(),
            target='50%',
            input_shape=(1, 8, 8),
        )
    )
    algorithm.schedule.set_length(4)
    model = SearchDistributed(algorithm).train()
    algorithm.mutator.start()
    wrappers = optimisers(algorithm, lr=0.02)
    for step in range(4):
        model.train_step(share(batch(16, seed=step), rank, world), wrappers)
    before = statistics(algorithm)
    GateHook('RANKS').after_train(
        SimpleNamespace(
            model=model, work_dir=out, val_loop=None, logger=logging.getLogger('search')
        )
    )
    leave(out, rank, dict(before=before, after=statistics(algorithm)))


if __name__ == '__main__':
    main(sys.argv[1])
