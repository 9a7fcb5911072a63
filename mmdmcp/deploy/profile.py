"""Measure a network's layers at a grid of widths, for latency as a target."""

import os
import random
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial

import torch
from torch import Tensor, nn

from ..errors import ConfigError, ProfileError
from ..latency import Conditions, Profile, Rest
from ..latency.attach import latency_table
from ..modes import eval_mode
from ..plain.tracing import traced_copy
from ..ranking import fitting_multiple, width_steps
from ..supernet import Supernet
from ..supernet.sample_run import SampleRuns
from .blocks import Block, find_blocks
from .latency import processor
from .multiples import measure_multiples
from .timed import ROUNDS, BlockItem, Item, NetworkItem
from .timing import Runtime

_TOO_BUSY = 0.3  # spread of a machine on which nothing can be measured

#: Widths that each unit may take, ascending; or what gives them, once it is
#: known which multiple of channels pays (None: not measured).
Choices = Sequence[Sequence[int]] | Callable[[int | None], Sequence[Sequence[int]]]
#: Told how many of how many visits are done, and what is timed next.
Progress = Callable[[int, int, str], None]


def measure_profile(
    supernet: Supernet,
    choices: Choices,
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
    already counts. First of all, a few are timed at the widths around one,
    to see which multiples of channels pay.

    Args:
        supernet: The network.
        choices: Widths that each unit may take, or what gives them.
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
    multiples = dict(before.multiples)
    with runtime.ready():
        if not multiples:
            progress(0, 1, 'multiples of channels')
            blocks = _blocks(supernet, [[size] for size in supernet.full], 2)
            multiples = measure_multiples(blocks, runtime, batch)
        if callable(choices):
            choices = choices(Profile(conditions, (), multiples=multiples).multiple)
        items = _items(supernet, choices, points, networks, before)
        _measure(items, runtime, batch, seconds, progress)
    found = Profile(
        conditions,
        tuple(i.result() for i in items if isinstance(i, BlockItem) and i.visits),
        tuple(i.result() for i in items if isinstance(i, NetworkItem) and i.visits),
        multiples=multiples,
    )
    if found.spread > _TOO_BUSY:
        raise ProfileError(
            f'the machine is too busy to measure: times of the same thing differ by '
            f'{found.spread:.0%}. Nothing was written; try again when it is idle'
        )
    return with_rest(before.merged(found), supernet)


def profile(
    model: nn.Module,
    example_inputs: Tensor,
    path: str | os.PathLike,
    *,
    runtime: str = 'pytorch',
    device: str = 'cpu',
    threads: int = 1,
    min_ratio: float = 0.1,
    scope: Sequence[str] | None = None,
    exclude: Sequence[str] | None = None,
    seconds: float = 600.0,
) -> Profile:
    """Time the layers of any module, as ``mmdmcp profile`` does of a config.

    For targets of latency of :func:`mmdmcp.prune` and the searches of
    :mod:`mmdmcp.search`.

    Args:
        model: Any module of one input; stays as it is.
        example_inputs: What it is called with: a batch of the size that is
            timed, ``[batch, ...]``.
        path: File to write; where it is there, it is measured on.
        runtime: ``'pytorch'`` or ``'onnxruntime'``.
        device: ``'cpu'``, ``'cuda'``, ``'cuda:1'``.
        threads: Threads on the CPU.
        min_ratio: Least ratio of its channels that a unit will keep.
        scope: Prefixes of the names of units to prune; None for all.
        exclude: Layers that keep their channels, by prefixes of their names or
            regular expressions of whole ones.
        seconds: Time to spend; another call goes on.

    Raises:
        ConfigError: If the inputs are not one tensor, or the device or a
            package is missing.
        ProfileError: If the file was measured under other conditions, or the
            machine is too busy to measure anything.
        TraceError: If the model can't be traced, or nothing can be pruned.

    Example:
        >>> x = torch.rand(1, 3, 224, 224)
        >>> mmdmcp.profile(model, x, 'LATENCY.yaml', runtime='onnxruntime')
        >>> mmdmcp.prune(model, dict(latency='60%'), x, profile='LATENCY.yaml')
    """
    if not isinstance(example_inputs, Tensor):
        raise ConfigError('example_inputs: what is timed takes one tensor, a batch')
    where = Runtime(runtime, device, threads)
    supernet = traced_copy(model, example_inputs[:1], scope, exclude)
    found = measure_profile(
        supernet,
        lambda multiple: [
            width_steps(size, min_ratio, partial(fitting_multiple, multiple or 1))
            for size in supernet.full
        ],
        where,
        processor(where.device),
        len(example_inputs),
        seconds=seconds,
        known=Profile.load(path) if os.path.exists(path) else None,
    )
    found.save(path)
    return found


def _items(
    supernet: Supernet,
    choices: Sequence[Sequence[int]],
    points: int,
    networks: int,
    known: Profile,
) -> list[Item]:
    """All that is timed, with what is known of it."""
    blocks = _blocks(supernet, choices, points)
    blocks_known = {(block.what, block.layers): block for block in known.blocks}
    networks_known = {network.widths: network for network in known.networks}
    items: list[Item] = []
    for block in blocks:
        before = blocks_known.get((block.what, tuple(block.layers)))
        same = before and (before.ins, before.outs) == (block.ins, block.outs)
        items.append(BlockItem(block, before if same else None))
    for widths in _random_widths(choices, networks):
        items.append(NetworkItem(supernet, widths, networks_known.get(widths)))
    return items


def _blocks(
    supernet: Supernet, choices: Sequence[Sequence[int]], points: int
) -> list[Block]:
    model = supernet.plain_copy()
    with eval_mode(model):
        run = SampleRuns(model, supernet.input_shape).inference
        return find_blocks(model, run, supernet.cost.layers, choices, points)


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
    items: list[Item],
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
    return replace(profile, networks=tuple(networks), rest=rest)
