"""Which multiples of channels a device likes.

Kernels compute 8 or 16 channels at a time: a width between two multiples
costs what the upper one costs, or falls back to a slower kernel. How much is
measured on the layers that weigh most, around the middle of their widths.
"""

import random
import statistics
from collections.abc import Sequence
from typing import Any

from ..layers import kind_of
from .blocks import Block
from .timing import Runtime

MULTIPLES = (1, 2, 4, 8, 16)
_BLOCKS = 4  # that are measured
_ROUNDS = 4


def measure_multiples(
    blocks: Sequence[Block], runtime: Runtime, batch: int
) -> dict[int, float]:
    """Time layers at odd multiples of 1, 2, 4, ... channels.

    Args:
        blocks: Distinct blocks of a network.
        runtime: Where it runs.
        batch: Images a run.

    Returns:
        What a multiply-accumulate takes at each, as a ratio of the cheapest,
        a mean over the blocks; empty if no block is wide enough.
    """
    sizes: dict[int, list[float]] = {}
    for block in _heaviest(blocks):
        ins, outs = _middle(block.ins[-1]), _middle(block.outs[-1])
        known = [m for m in MULTIPLES if 2 * m <= min(ins, outs)]
        points = {
            (m, sign): (ins + sign * m, outs + sign * m)
            for m in known
            for sign in (-1, 1)
        }
        took: dict = {key: [] for key in points}
        for _ in range(_ROUNDS):
            for key in random.sample(list(points), len(points)):
                took[key].append(
                    runtime.time_layers(*block.narrow(*points[key], batch))
                )
        costs = {
            m: sum(min(took[m, sign]) for sign in (-1, 1))
            / sum(points[m, sign][0] * points[m, sign][1] for sign in (-1, 1))
            for m in known
        }
        for m, cost in costs.items():
            sizes.setdefault(m, []).append(cost / min(costs.values()))
    means = {m: statistics.mean(values) for m, values in sizes.items()}
    return {m: value / min(means.values()) for m, value in means.items()}


def _heaviest(blocks: Sequence[Block]) -> list[Block]:
    """Those with the most multiply-accumulates, of dense layers whose inputs
    and outputs are both pruned."""

    def weight(block: Block) -> int:
        return block.macs * block.ins[-1] * block.outs[-1] * len(block.layers)

    dense = []
    for block in blocks:
        kind: Any = kind_of(block.head)
        wide = min(_middle(block.ins[-1]), _middle(block.outs[-1])) >= 2 * MULTIPLES[1]
        if kind.makes_channels and kind.groups(block.head) == 1 and wide:
            dense.append(block)
    return sorted(dense, key=weight, reverse=True)[:_BLOCKS]


def _middle(channels: int) -> int:
    """A power of two near half of the channels: what is so far above or below
    is an odd multiple, too."""
    return 1 << max(0, (3 * channels // 4).bit_length() - 1)
