"""One rank of a search in a loop of one's own, started by ``common.ranks.launch``.

python own_loop_rank.py OUT BATCH STEPS ARCH_START INIT
"""

import sys

import torch
from common.ranks import join, leave, share
from torch import nn
from torch.nn import functional as F

import mmdmcp


def main() -> None:
    out, (size, steps, start) = sys.argv[1], map(int, sys.argv[2:5])
    rank, world = join()  # weights of their own until the first step
    model = nn.Sequential(
        nn.Conv2d(1, 16, 3, padding=1),
        nn.GroupNorm(1, 16),
        nn.ReLU(),
        nn.Conv2d(16, 24, 3, padding=1),
        nn.ReLU(),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(24, 10),
    )
    search = mmdmcp.search.DMCP(
        model,
        '50%',
        torch.zeros(1, 1, 8, 8),
        steps=steps,
        loss_fn=lambda net, batch: F.cross_entropy(net(batch['x']), batch['y']),
        arch_start=start,
        mutator=dict(init=sys.argv[5]),
        tolerance=0.2,
    )
    weights = torch.optim.SGD(search.model.parameters(), lr=0.05, momentum=0.9)
    chains = search.optimizer()
    for step in range(steps):
        generator = torch.Generator().manual_seed(step)
        x = torch.randn(size * world, 1, 8, 8, generator=generator)
        whole = dict(x=x, y=torch.arange(len(x)) % 10)
        search.step(share(whole, rank, world), weights, chains)
    # Every rank likes another candidate best; together they agree on one.
    small = search.finish(lambda net: float(net[0].out_channels * (-1) ** rank))
    leave(
        out,
        rank,
        dict(
            state={k: v.detach() for k, v in search.model.named_parameters()},
            alpha=search.algorithm.mutator.alpha.detach(),
            widths=small.chosen.widths,
            scores=[c.metrics['score'] for c in small.candidates],
        ),
    )


if __name__ == '__main__':
    main()
