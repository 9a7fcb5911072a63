"""One rank of a step in which ranks skip different layers, started by
``common.ranks.launch``.

    python skipping_rank.py OUT
"""

import sys

import torch
from common.ranks import join, leave
from mmengine.optim import OptimWrapper
from torch import nn

from mmdmcp.methods import accumulate, finish


def main(out: str) -> None:
    rank, _ = join()
    torch.manual_seed(0)
    blocks = nn.ModuleDict(
        {name: nn.Linear(4, 4) for name in ('none', 'first', 'second', 'all')}
    )
    skipped = ('all', 'first' if rank == 0 else 'second')
    wrapper = OptimWrapper(
        torch.optim.SGD(blocks.parameters(), lr=0.1, momentum=0.9, weight_decay=0.1)
    )
    before = {k: v.clone() for k, v in blocks.state_dict().items()}
    for _step in range(2):
        x = torch.randn(8, 4)
        for name, block in blocks.items():
            x = x if name in skipped else block(x)
        accumulate(wrapper, x.square().mean())
        finish(wrapper, blocks.parameters())
    leave(out, rank, dict(before=before, after=blocks.state_dict()))


if __name__ == '__main__':
    main(sys.argv[1])
