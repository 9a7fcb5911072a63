"""Searches judged by tables of trained networks, without retraining.

    python -m benchmarks.widths run nats --data-root data/cifar10
    python -m benchmarks.widths starts nats --data-root data/cifar10
    python -m benchmarks.widths noise
    python -m benchmarks.widths report

``run`` computes what the results lack, arm by arm, and appends each result to
``benchmarks/widths/results/<table>.jsonl``. ``starts`` does so for the networks
where DMCP's chains start, ``noise`` for how much of the tables is luck. All can be
killed at any moment and started again, and several of ``run`` go side by side.
``report`` prints the tables and writes them, with a plot, into ``docs/``. CIFAR-10 in
its canonical files and the folder of tables come from elsewhere.
"""

import argparse
import os
import sys
import time
import warnings
from pathlib import Path

# One process, one thread: searches run side by side.
os.environ.setdefault('OMP_NUM_THREADS', '1')
warnings.simplefilter('ignore')  # of the packages that are imported

from mmdmcp.cli.train import keep_kernels

keep_kernels()  # before torch computes

import torch

from . import arms, records, report, smoothing, starts, tables
from .bench import Bench
from .data import CIFAR10

_HERE = Path(__file__).resolve().parent


def main() -> int:
    """Run or report; return the exit code."""
    args = parse_args()
    verbs = dict(run=run, starts=run_starts, noise=run_noise, report=run_report)
    return verbs[args.verb](args)


def parse_args() -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(
        prog='python -m benchmarks.widths', description=__doc__.split('\n\n')[0]
    )
    verbs = parser.add_subparsers(dest='verb', required=True)
    for verb in ('run', 'starts', 'noise', 'report'):
        one = verbs.add_parser(
            verb, formatter_class=argparse.ArgumentDefaultsHelpFormatter
        )
        one.add_argument(
            '--tables',
            type=Path,
            default=Path('../shared/data/width_bench'),
            help='folder of the tables',
        )
        one.add_argument('--results', type=Path, default=_HERE / 'results')
    one.add_argument('--docs', type=Path, default=_HERE.parents[1] / 'docs')
    for verb in ('run', 'starts'):
        one = verbs.choices[verb]
        one.add_argument('table', choices=tables.LOADERS)
        one.add_argument(
            '--data-root', help='the folder that holds cifar-10-batches-py'
        )
        if verb == 'run':
            one.add_argument(
                '--arms',
                nargs='+',
                choices=[*arms.ARMS, 'all'],
                default=[*arms.MAIN],
                metavar='ARM',
                help=f'ways to choose widths: {", ".join(arms.ARMS)}; or all',
            )
            one.add_argument(
                '--shares', type=float, nargs='+', default=[0.3, 0.15, 0.5]
            )
        one.add_argument('--seeds', type=int, nargs='+', default=[0])
        one.add_argument('--iterations', type=int, default=500, help='of a search')
        one.add_argument('--batch', type=int, default=64)
        one.add_argument(
            '--size', type=int, default=16, choices=(32, 16, 8), help='of the images'
        )
        one.add_argument(
            '--device', choices=('cpu', 'cuda'), default='cpu', help='of searches'
        )
        one.add_argument(
            '--work-dir',
            type=Path,
            default=Path('work_dirs/widths'),
            help='checkpoints of searches that are under way',
        )
    args = parser.parse_args()
    if args.verb == 'run' and 'all' in args.arms:
        args.arms = [*arms.ARMS]
    trained = args.verb == 'run' and set(args.arms) - set(arms.UNTRAINED)
    if trained and not args.data_root:
        parser.error(f'--data-root: {", ".join(trained)} train on CIFAR-10')
    if getattr(args, 'device', 'cpu') == 'cuda' and not torch.cuda.is_available():
        parser.error('--device cuda: no GPU here; leave it out to run on the CPU')
    if args.verb == 'starts' and not args.data_root:
        parser.error('--data-root: searches train on CIFAR-10')
    return args


def _bench(args: argparse.Namespace) -> Bench:
    # A search does not go on with what another device began.
    folder = args.table if args.device == 'cpu' else f'{args.table}_{args.device}'
    return Bench(
        tables.load(args.table, args.tables),
        CIFAR10(args.data_root, args.size, args.device) if args.data_root else None,
        args.work_dir / folder,
        args.iterations,
        args.batch,
        args.size,
    )


def run_report(args: argparse.Namespace) -> int:
    """Print tables, draw plots; return the exit code."""
    report.write(args.tables, args.results, args.docs)
    return 0


def run_noise(args: argparse.Namespace) -> int:
    """Compute what is missing; return the exit code."""
    path = args.results / 'noise.jsonl'
    done = {record['table'] for record in records.read(path)}
    for name in tables.LOADERS:
        if name not in done:
            found = smoothing.measure(tables.load(name, args.tables))
            records.append(path, {**found, **records.circumstances(_command())})
    print(smoothing.section(records.read(path), report.TITLES))
    return 0


def run_starts(args: argparse.Namespace) -> int:
    """Compute what is missing; return the exit code."""
    starts.run(_bench(args), args.results / 'starts.jsonl', args.seeds, _command())
    return 0


def run(args: argparse.Namespace) -> int:
    """Compute what is missing; return the exit code."""
    bench = _bench(args)
    path = args.results / f'{args.table}.jsonl'
    for seed in args.seeds:
        for share in args.shares:
            for arm in args.arms:
                _run_one(bench, path, arm, share, seed)
    return 0


def _run_one(bench: Bench, path: Path, arm: str, share: float, seed: int) -> None:
    """One result, unless it is there or another process is at it."""
    trains = arm not in arms.UNTRAINED
    record = dict(
        table=bench.table.name,
        arm=arm,
        share=share,
        seed=seed if trains else None,
        iterations=bench.iterations if trains else None,
        batch=bench.batch if trains else None,
        **(dict(size=bench.size) if trains and bench.size != 32 else {}),
        **(bench.elsewhere if trains else {}),
    )
    name = '_'.join(map(str, records.key(record)))
    with records.locked(bench.folder / f'{name}.lock', wait=False) as free:
        done = {records.key(r) for r in records.read(path)}
        if not free or records.key(record) in done:
            return
        wall, busy = time.perf_counter(), time.process_time()
        found = arms.ARMS[arm](bench, share, seed)
        record.update(_placed(bench.table, found))
        record.update(
            seconds=round(time.perf_counter() - wall, 1),
            cpu_seconds=round(time.process_time() - busy, 1),
            **records.circumstances(_command(), bench.device if trains else None),
        )
        records.append(path, record)
        print(report.line(record), flush=True)


def _command() -> str:
    return ' '.join(['python -m benchmarks.widths', *sys.argv[1:]])


def _placed(table: tables.Table, found: dict) -> dict:
    """What an arm found, with its place in the table and its price."""
    found = dict(found)
    if found['widths'] is not None:
        place = table.place(found['widths'])
        found.update(
            accuracy=place.accuracy,
            percentile=place.percentile,
            smoothed=place.smoothed,
            median=place.median,
            best=place.best,
            share_found=place.share,
        )
    # A plain epoch: every image of the training set once, three passes.
    plain = 3 * table.full_macs * 50_000
    found['epochs'] = round(found.pop('macs', 0) / plain, 3)
    return found


if __name__ == '__main__':
    sys.exit(main())
