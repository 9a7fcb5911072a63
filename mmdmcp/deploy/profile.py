"""Measure a network's layers at a grid of widths, for latency as a target."""

import random
import statistics
import time
from collections.abc import Callable, Sequence
from typing import Any

import torch

from ..errors import ProfileError
from ..latency import BlockTimes, Conditions, NetworkTime, Profile, Rest
from ..latency.attach import latency_table
from ..modes import eval_mode
from ..subnet import apply
from ..supernet import Supernet
from ..supernet.sample_run import SampleRuns
from .blocks import Block, find_blocks
from .models import Plain
from .timing import Run, Runtime, spread

ROUNDS = (3, 12)  # of each block, at least and at most
_STABLE = 0.03  # spread of a block that needs no more rounds
_TOO_BUSY = 0.3  # spread of a machine on which nothing can be measured

#: Told how many of how many visits are done, and what is timed next.
Progress = Callable[[int, int, str], None]


class _Item:
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


class _BlockItem(_Item):
    def __init__(self, block: Block, known: BlockTimes | None) -> None:
        super().__init__(block.what, known)
        self.block = block

    def visit(self, runtime: Runtime, batch: int) -> None:
        points = list(self.block.points())
        overhead = runtime.overhead * len(self.block.shapes)
        times = dict.fromkeys(points, 0)
        for point in random.sample(points, len(points)):
            modules, inputs = self.block.narrow(*point, batch)
            took = runtime.time(runtime.runner(modules, inputs), inputs)
            times[point] = max(1, took - overhead)
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


class _NetworkItem(_Item):
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


def measure_profile(
    supernet: Supernet,
    choices: Sequence[Sequence[int]],
    runtime: Runtime,
    processor: str,
    batch: int = 1,
    points: int = 4,
    networks: int = 12,
    seconds: float = 600.0,
    known: Profile | None = None,
    progress: Progress = lambda done, total, what: None,
) -> Profile:
    """Time the blocks of a network, and some whole networks, in turns.

    A block is left in peace once its times are stable. What is known of it
    already counts.

    Args:
        supernet: The network.
        choices: Widths that each unit may take, ascending.
        runtime: Where it runs.
        processor: Name of the device.
        batch: Images a run.
        points: Points of a grid's side, at most.
        networks: Random networks that are timed as a whole.
        seconds: Time to spend. What is missing then is measured by another
            call that knows this one's result.
        known: An earlier profile of this network.
        progress: Told before every visit.

    Raises:
        ProfileError: If what is known was measured under other conditions,
            or the machine is too busy to measure anything.
    """
    conditions = Conditions(
        model=type(supernet.model).__name__,
        input_shape=supernet.input_shape,
        batch=batch,
        runtime=runtime.name,
        device=runtime.device.type,
        processor=processor,
        threads=runtime.threads,
        versions=runtime.versions,
    )
    before = Profile(conditions, ())
    if known is not None:
        before = known.merged(before)
    items = _items(supernet, choices, points, networks, before)
    with runtime.ready():
        _measure(items, runtime, batch, seconds, progress)
    found = Profile(
        conditions,
        tuple(i.result() for i in items if isinstance(i, _BlockItem) and i.visits),
        tuple(i.result() for i in items if isinstance(i, _NetworkItem) and i.visits),
    )
    if found.spread > _TOO_BUSY:
        raise ProfileError(
            f'the machine is too busy to measure: times of the same thing differ by '
            f'{found.spread:.0%}. Nothing was written; try again when it is idle'
        )
    return with_rest(before.merged(found), supernet)


def _items(
    supernet: Supernet,
    choices: Sequence[Sequence[int]],
    points: int,
    networks: int,
    known: Profile,
) -> list[_Item]:
    """All that is timed, with what is known of it."""
    model = supernet.plain_copy()
    with eval_mode(model):
        run = SampleRuns(model, supernet.input_shape).inference
        blocks = find_blocks(model, run, supernet.cost.layers, choices, points)
    blocks_known = {(block.what, block.layers): block for block in known.blocks}
    networks_known = {network.widths: network for network in known.networks}
    items: list[_Item] = []
    for block in blocks:
        before = blocks_known.get((block.what, tuple(block.layers)))
        same = before and (before.ins, before.outs) == (block.ins, block.outs)
        items.append(_BlockItem(block, before if same else None))
    for widths in _random_widths(choices, networks):
        items.append(_NetworkItem(supernet, widths, networks_known.get(widths)))
    return items


def _random_widths(choices: Sequence[Sequence[int]], count: int) -> list[tuple]:
    """Widths of networks that are timed as a whole: always the same ones.

    The full network and the narrowest; of the others a quarter is drawn from
    the narrow half of the choices, a quarter from the wide half, the rest
    from all.
    """
    generator = random.Random(0)
    drawn = [tuple(row[-1] for row in choices), tuple(row[0] for row in choices)]
    for number in range(count - 2):
        low, high = ((0, 0.5), (0.5, 1), (0, 1), (0, 1))[number % 4]
        drawn.append(
            tuple(
                row[round(generator.uniform(low, high) * (len(row) - 1))]
                for row in choices
            )
        )
    return drawn


def _measure(
    items: list[_Item],
    runtime: Runtime,
    batch: int,
    seconds: float,
    progress: Progress,
) -> None:
    """Visit what has been visited least, in random order, until time is up."""
    end = time.monotonic() + seconds
    done = 0
    while True:
        active = [item for item in items if not item.done]
        if not active:
            return
        least = min(item.rounds for item in active)
        turn = [item for item in active if item.rounds == least]
        for item in random.sample(turn, len(turn)):
            left = sum(max(1, ROUNDS[0] - other.rounds) for other in active)
            progress(done, done + left, item.what)
            if time.monotonic() > end:
                return
            item.visit(runtime, batch)
            done += 1


def with_rest(profile: Profile, supernet: Supernet) -> Profile:
    """The profile with its rest fitted to its whole networks.

    Least squares of the relative error: ``scale * layers + more``. None yet
    if blocks or networks are missing.
    """
    units = len(supernet.full)
    networks = [n for n in profile.networks if len(n.widths) == units]
    measured = {name for block in profile.blocks for name in block.layers}
    if not networks or any(
        layer.macs and layer.name not in measured for layer in supernet.cost.layers
    ):
        return profile
    table = latency_table(supernet.cost, units, profile, Rest(1.0, 0, 0.0))
    widths = torch.tensor([network.widths for network in networks])
    layers = table.layers(widths).sum(-1)
    took = torch.tensor([float(network.ns) for network in networks]).double()
    rows = torch.stack([layers / took, 1 / took], 1)
    scale, more = torch.linalg.lstsq(rows, torch.ones_like(took)).solution.tolist()
    if scale <= 0 or len(networks) < 4:
        ratio = layers / took
        scale, more = float(ratio.sum() / (ratio * ratio).sum()), 0.0
    off = ((scale * layers + more) / took - 1).abs().mean()
    rest = Rest(max(scale, 0.001), round(more), float(off))
    return Profile(
        profile.conditions, profile.blocks, tuple(networks), rest, profile.path
    )
