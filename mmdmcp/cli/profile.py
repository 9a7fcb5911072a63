"""``mmdmcp profile``: time the layers of a model, for latency as a target."""

import argparse
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from . import report_errors
from .options import DEFAULT_SHAPE, add_cfg_options, add_input_shape

if TYPE_CHECKING:
    from ..deploy.profile import Choices
    from ..latency import Profile
    from ..supernet import Supernet


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(
        description='Time the layers of a model on this machine, at a grid of widths, '
        'and a few whole networks. A search with model.profile=FILE then takes '
        "target=dict(latency='60%%'). Where the file is there, it is measured on."
    )
    parser.add_argument('config', help='config of a search, or of the full model')
    parser.add_argument(
        '-o',
        '--out',
        metavar='LATENCY.yaml',
        default='LATENCY.yaml',
        help='file to write; LATENCY.yaml by default',
    )
    parser.add_argument(
        '--runtime',
        choices=['pytorch', 'onnxruntime'],
        default='pytorch',
        help='what runs the network; pytorch by default',
    )
    parser.add_argument(
        '--device', default='cpu', help='cpu, cuda, cuda:1; cpu by default'
    )
    parser.add_argument(
        '--threads', type=int, default=1, help='threads on the CPU; 1 by default'
    )
    parser.add_argument(
        '--batch', type=int, default=1, help='images per run; 1 by default'
    )
    parser.add_argument(
        '--points',
        type=int,
        default=4,
        help="points of a grid's side, at most; 4 by default",
    )
    parser.add_argument(
        '--networks',
        type=int,
        default=12,
        help='whole networks that are timed too; 12 by default',
    )
    parser.add_argument(
        '--seconds',
        type=float,
        default=600.0,
        help='time to spend, 600 by default; another call goes on',
    )
    add_input_shape(parser, "that of the search's config, or 3 224 224")
    add_cfg_options(parser)
    args = parser.parse_args(argv)
    for name, least in dict(
        threads=1, batch=1, points=2, networks=2, seconds=0.001
    ).items():
        if getattr(args, name) < least:
            parser.error(f'--{name} must be at least {least}')
    return args


def main(argv: list[str] | None = None) -> int:
    """Run the command; return its exit code."""
    args = parse_args(argv)
    return report_errors(lambda: _profile(args))


def _profile(args: argparse.Namespace) -> None:
    from ..deploy.latency import processor
    from ..deploy.profile import measure_profile
    from ..deploy.timing import Runtime
    from ..latency import Profile

    runtime = Runtime(args.runtime, args.device, args.threads)
    known = Profile.load(args.out) if os.path.exists(args.out) else None
    supernet, choices = _network(args)
    with _progress() as progress:
        found = measure_profile(
            supernet,
            choices,
            runtime,
            processor(runtime.device),
            args.batch,
            args.points,
            args.networks,
            args.seconds,
            known,
            progress,
        )
    found.save(args.out)
    print(_summary(found, supernet, args.out))


def _network(args: argparse.Namespace) -> tuple['Supernet', 'Choices']:
    """The network of a config, and what gives the widths of its units."""
    from ..deploy.models import full_model, read_model_config
    from ..methods.parts import build_architecture, build_mutator
    from ..preflight.searches import search_class
    from ..ranking import width_steps
    from ..supernet import Supernet

    config = read_model_config(args.config, args.cfg_options)
    method = search_class(config)
    if method is None:
        shape = args.input_shape or DEFAULT_SHAPE
        supernet = Supernet(full_model(args.config, args.cfg_options).eval(), shape)
        return supernet, [width_steps(size, 0.1) for size in supernet.full]
    # Neither a target nor chains: they may need what is only to be measured.
    preprocessor = config.get('data_preprocessor')
    model = build_architecture(config.get('architecture'), preprocessor)
    mutator = build_mutator(method, config.get('mutator'))
    shape = args.input_shape or config.get('input_shape', DEFAULT_SHAPE)
    mutator.prepare(model.eval(), tuple(shape))
    supernet = mutator.supernet

    def choices(multiple: int | None) -> Sequence[Sequence[int]]:
        mutator.multiple = multiple
        return [mutator.make_unit(unit).choices for unit in supernet.units]

    return supernet, choices


@contextmanager
def _progress() -> Iterator[Any]:
    """A bar with the time that is left, on a terminal."""
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (
        BarColumn(),
        TextColumn('{task.completed} of {task.total} visits, left'),
        TimeRemainingColumn(),
        TextColumn('{task.description}'),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task('', total=None)

        def progress(done: int, total: int, what: str) -> None:
            bar.update(task, completed=done, total=total, description=what[:60])

        yield progress


def _summary(profile: 'Profile', supernet: 'Supernet', path: str) -> str:
    """What was measured, and how far it can be trusted."""
    from ..latency import attach
    from ..latency.profile import BUSY

    points = sum(len(b.ins) * len(b.outs) for b in profile.blocks)
    lines = [
        f'{path}: {profile.conditions}',
        f'{len(profile.blocks)} shapes at {points} widths, {len(profile.networks)} '
        f'networks, spread {profile.spread:.0%}',
    ]
    if profile.spread > BUSY:
        lines.append(
            'the machine was busy with something else: run the command again when it '
            'is idle, what it measures is added'
        )
    if profile.rest is None:
        lines.append('not complete: time ran out; run the command again, it goes on')
        return '\n'.join(lines)
    if profile.multiple == 1:
        lines.append('no multiple of channels pays more than another')
    elif profile.multiple is not None:
        worst = max(profile.multiples.values()) - 1
        lines.append(
            f'multiples of {profile.multiple} channels pay: others take up to '
            f"{worst:.0%} more for each multiply-accumulate; divisor='auto' takes it"
        )
    attach(supernet.cost, len(supernet.full), supernet.input_shape, profile)
    full = supernet.cost.exact(supernet.full)['latency_us']
    lines.append(
        f'a network takes {profile.rest.scale:.2f} times its layers '
        f'{profile.rest.more_ns / 1e6:+.3f} ms; the networks are {profile.rest.off:.1%} '
        f'off that. The full network: {full / 1e3:,.3f} ms'
    )
    return '\n'.join(lines)
