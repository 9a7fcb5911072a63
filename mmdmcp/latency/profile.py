"""A latency profile: what was measured, and on what."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any

from ..errors import ProfileError, SubnetError
from ..subnet.files import format_yaml, path_words, read_yaml, write_atomically

#: Above it, the machine was busy with something else.
BUSY = 0.1
#: A multiple pays if no other one is cheaper by more than this.
PAYS = 0.05


@dataclass(frozen=True)
class Conditions:
    """What was measured, and on what.

    Attributes:
        model: Class of the network.
        input_shape: Channels, height and width.
        batch: Images a run.
        runtime: ``'pytorch'`` or ``'onnxruntime'``.
        device: ``'cpu'`` or ``'cuda'``.
        processor: Its name.
        threads: Threads of the runtime.
        versions: Of the runtime's packages.
    """

    model: str
    input_shape: tuple[int, ...]
    batch: int
    runtime: str
    device: str
    processor: str
    threads: int
    versions: Mapping[str, str]

    def __str__(self) -> str:
        threads = f', {self.threads} thread{"s" * (self.threads > 1)}'
        return (
            f'{self.runtime}, batch {self.batch}, {"x".join(map(str, self.input_shape))}'
            f'{threads if self.device == "cpu" else ""}, {self.processor}'
        )

    def difference(self, other: 'Conditions') -> str | None:
        """What is not the same, in words; None if nothing differs."""
        for entry in fields(self):
            ours, theirs = getattr(self, entry.name), getattr(other, entry.name)
            if ours != theirs:
                return f'{entry.name}: {_plain(ours)}, not {_plain(theirs)}'
        return None


@dataclass(frozen=True)
class BlockTimes:
    """Times of a layer, and what runs fused with it, at a grid of widths.

    Attributes:
        what: In words.
        layers: Names of the layers that have this shape.
        macs: Multiply-accumulates for one input and one output.
        ins: Input channels that were measured, ascending; the last is that of
            the full network.
        outs: Output channels.
        ns: Nanoseconds, ``[ins][outs]``, of the fastest round: disturbances
            only ever add to it.
        rounds: How often each was measured.
        spread: By how much the next round was slower, as a ratio; the median
            over the grid.
    """

    what: str
    layers: tuple[str, ...]
    macs: int
    ins: tuple[int, ...]
    outs: tuple[int, ...]
    ns: tuple[tuple[int, ...], ...]
    rounds: int
    spread: float

    def merged(self, other: 'BlockTimes') -> 'BlockTimes':
        """The fastest of both; the other where grids differ."""
        if (self.ins, self.outs) != (other.ins, other.outs):
            return other
        rows = zip(self.ns, other.ns)
        return replace(
            other,
            ns=tuple(tuple(map(min, *row)) for row in rows),
            rounds=self.rounds + other.rounds,
            spread=min(self.spread, other.spread),
        )


@dataclass(frozen=True)
class NetworkTime:
    """Time of a whole network.

    Attributes:
        widths: Width of each unit.
        ns: Nanoseconds.
        rounds: How often it was measured.
        spread: As for a block.
    """

    widths: tuple[int, ...]
    ns: int
    rounds: int
    spread: float

    def merged(self, other: 'NetworkTime') -> 'NetworkTime':
        """The fastest of both."""
        return NetworkTime(
            self.widths,
            min(self.ns, other.ns),
            self.rounds + other.rounds,
            min(self.spread, other.spread),
        )


@dataclass(frozen=True)
class Rest:
    """From the sum of layers to a whole network: ``scale * layers + more_ns``.

    Attributes:
        scale: Of the layers.
        more_ns: What does not depend on widths; below zero where layers take
            less inside a network than alone.
        off: Mean distance from the networks that it was fitted to, a ratio.
    """

    scale: float
    more_ns: int
    off: float


@dataclass(frozen=True)
class Profile:
    """The content of a ``LATENCY*.yaml``.

    Attributes:
        conditions: What was measured, and on what.
        blocks: One a shape.
        networks: Whole networks that :attr:`rest` was fitted to.
        rest: None until networks were measured.
        multiples: What a multiply-accumulate takes in layers whose channels
            are odd multiples of 1, 2, 4, ..., as a ratio of the cheapest.
        path: Where it was read, for messages.
    """

    conditions: Conditions
    blocks: tuple[BlockTimes, ...]
    networks: tuple[NetworkTime, ...] = ()
    rest: Rest | None = None
    multiples: Mapping[int, float] = field(default_factory=dict)
    path: str = field(default='the profile', compare=False)

    @property
    def spread(self) -> float:
        """The larger of two medians: of blocks, of networks. Once measured,
        neither has one."""
        kinds = [
            [x.spread for x in kind if x.rounds > 1]
            for kind in (self.blocks, self.networks)
        ]
        return max((sorted(all_)[len(all_) // 2] for all_ in kinds if all_), default=0)

    @property
    def multiple(self) -> int | None:
        """The multiple of channels that pays: the smallest at which a
        multiply-accumulate takes at most 5 % more than at the best one.

        Kernels compute 8 or 16 channels at a time, and widths between two
        multiples cost what the upper one costs, or more. None if it was not
        measured.
        """
        found = [m for m, ratio in self.multiples.items() if ratio <= 1 + PAYS]
        return min(found, default=None)

    def merged(self, other: 'Profile') -> 'Profile':
        """Both together; the rest is to be fitted anew.

        Raises:
            ProfileError: If they were measured under other conditions.
        """
        difference = self.conditions.difference(other.conditions)
        if difference:
            raise ProfileError(
                f'{self.path} was measured with {difference}: name another file, or '
                'move that one away'
            )
        return Profile(
            self.conditions,
            _merge(self.blocks, other.blocks, lambda block: (block.what, block.layers)),
            _merge(self.networks, other.networks, lambda network: network.widths),
            multiples=other.multiples or self.multiples,
            path=self.path,
        )

    # ---- files -------------------------------------------------------

    def save(self, path: str | os.PathLike) -> None:
        """Write the file, all of it or none of it.

        Raises:
            ProfileError: If it can't be written.
        """
        from .schema import to_dict

        try:
            write_atomically(path, format_yaml(to_dict(self)))
        except SubnetError as error:
            raise ProfileError(str(error)) from error

    @classmethod
    def load(cls, path: str | os.PathLike) -> 'Profile':
        """Read a file. Nothing in it is executed.

        Raises:
            ProfileError: If it is missing or damaged; the message names the
                file, the key and the remedy.
        """
        from .schema import from_dict

        try:
            data = read_yaml(
                path, 'profile', 'LATENCY*.yaml', 'measure it: mmdmcp profile CONFIG'
            )
            return replace(from_dict(data), path=str(path))
        except SubnetError as error:
            raise ProfileError(f'{path_words(path)}: {error}') from None


# ---- merging ---------------------------------------------------------


def _merge(ours, theirs, key):
    """Entries of both, those of one key merged, in the order of theirs."""
    known = {key(entry): entry for entry in ours}
    merged = {key(e): known[key(e)].merged(e) if key(e) in known else e for e in theirs}
    return tuple({**known, **merged}.values())


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return ', '.join(f'{key} {item}' for key, item in value.items())
    return list(value) if isinstance(value, tuple) else value
