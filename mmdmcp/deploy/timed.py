"""What a profile times, round after round: blocks, and whole networks."""

import random
import statistics
from collections.abc import Callable, Sequence
from typing import Any

import torch

from ..latency import BlockTimes, NetworkTime
from ..subnet import apply
from ..supernet import Supernet
from .blocks import Block
from .models import Plain
from .timing import Run, Runtime, spread

ROUNDS = (3, 12)  # of each item, at least and at most
_STABLE = 0.03  # spread of an item that needs no more rounds


class Item:
    """Something that is timed once a round: a block, or a network.

    Args:
        what: In words.
        known: What is known of it already.
    """

    def __init__(self, what: str, known: Any = None) -> None:
        self.what = what
        self.known = known
        self.visits: list[list[int]] = []  # [rounds][points]

    def visit(self, runtime: Runtime, batch: int) -> None:
        """Time it once more, at each of its points."""
        raise NotImplementedError

    @property
    def rounds(self) -> int:
        """How often it was timed, by now and before."""
        return len(self.visits) + (self.known.rounds if self.known else 0)

    @property
    def spread(self) -> float:
        """Median of its points' spreads; 1 while that can't be known."""
        before = self.known.spread if self.known else 1.0
        if len(self.visits) < 2:
            return before
        return min(before, statistics.median(map(spread, zip(*self.visits))))

    @property
    def done(self) -> bool:
        """Whether no more rounds are needed."""
        stable = self.rounds >= ROUNDS[0] and self.spread <= _STABLE
        return stable or len(self.visits) >= ROUNDS[1]

    def fastest(self) -> list[int]:
        """Nanoseconds at each point."""
        return [min(times) for times in zip(*self.visits)]


class BlockItem(Item):
    """A block, at each point of its grid."""

    def __init__(self, block: Block, known: BlockTimes | None) -> None:
        super().__init__(block.what, known)
        self.block = block

    def visit(self, runtime: Runtime, batch: int) -> None:
        points = list(self.block.points())
        times = dict.fromkeys(points, 0)
        for point in random.sample(points, len(points)):
            times[point] = runtime.time_layers(*self.block.narrow(*point, batch))
        self.visits.append(list(times.values()))

    def result(self) -> BlockTimes:
        """As a profile has it."""
        block, found = self.block, self.fastest()
        size = len(block.outs)
        rows = [tuple(found[i : i + size]) for i in range(0, len(found), size)]
        return BlockTimes(
            block.what,
            tuple(block.layers),
            block.macs,
            block.ins,
            block.outs,
            tuple(rows),
            len(self.visits),
            self.spread,
        )


class NetworkItem(Item):
    """A whole network, a fresh copy each time."""

    def __init__(
        self,
        supernet: Supernet,
        widths: tuple[int, ...],
        known: NetworkTime | None,
    ) -> None:
        super().__init__('a whole network', known)
        self.supernet = supernet
        self.widths = widths
        self._make: Callable[[], Run] | None = None

    def visit(self, runtime: Runtime, batch: int) -> None:
        if self._make is None:
            self._make = network_maker(self.supernet, self.widths, runtime, batch)
        self.visits.append([runtime.time(self._make())])

    def result(self) -> NetworkTime:
        """As a profile has it."""
        (ns,) = self.fastest()
        return NetworkTime(self.widths, ns, len(self.visits), self.spread)


def network_maker(
    supernet: Supernet, widths: Sequence[int], runtime: Runtime, batch: int
) -> Callable[[], Run]:
    """What makes what runs the network of some widths, rebuilt."""
    subnet = supernet.subnet(list(widths), 'profile')
    net = Plain(apply(supernet.plain_copy(), subnet)).eval()
    image = torch.rand(batch, *supernet.input_shape)
    return runtime.maker(net, image)
