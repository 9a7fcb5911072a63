"""One rank of a search with a seed of its own, started by
``common.ranks.launch``. It writes into a folder of its own, OUT.RANK.

    python seeded_rank.py OUT
"""

import os
import sys
from pathlib import Path

from common.ranks import TESTS, leave

from mmdmcp.apis import train


def main(out: str) -> None:
    rank = int(os.environ['RANK'])
    runner = train(
        str(TESTS / 'faults' / 'search_config.py'),
        work_dir=f'{out}.{rank}',
        launcher='pytorch',
        cfg_options={
            'randomness.diff_rank_seed': True,
            'train_cfg.max_epochs': 1,
            'train_dataloader.batch_size': 32,
            'train_dataloader.dataset.indices': 64,
            'val_dataloader.dataset.indices': 64,
            'param_scheduler': None,
        },
    )
    algorithm = runner.model.module
    leave(
        out,
        rank,
        dict(
            seed=runner.seed,
            drawn=algorithm.mutator.choose('random'),
            alpha=algorithm.mutator.alpha.detach(),
            samples=list(runner.train_dataloader.sampler),
            written=sorted(
                p.name for p in Path(f'{out}.{rank}').iterdir() if p.is_file()
            ),
        ),
    )


if __name__ == '__main__':
    main(sys.argv[1])
