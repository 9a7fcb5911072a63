"""Targets of latency against targets of FLOPs, at the same latency.

    python -m benchmarks.widths.latency --data-root data/cifar10 \\
        --profile work_dirs/nats.yaml --seconds 120 --seeds 0 1 2

For every network that ``dmcp_exp`` found for a share of the FLOPs, the same
search with the latency of that network, as a profile predicts it, as its
target. Both networks are then timed in turns, and looked up in the table:
their accuracies, and how many networks of their predicted latency are less
accurate. Results are appended to ``results/nats_latency.jsonl``; all of them
are printed.
"""

import argparse
import statistics
import sys
from pathlib import Path

import torch

from mmdmcp.deploy.latency import processor
from mmdmcp.deploy.profile import measure_profile
from mmdmcp.deploy.timing import Runtime
from mmdmcp.latency import Profile, attach
from mmdmcp.supernet import Supernet

from . import arms, records, tables
from .bench import Bench
from .data import CIFAR10
from .networks import Classifier
from .plan import INPUT_SHAPE, as_shipped

_HERE = Path(__file__).resolve().parent
_TABLE = 'nats'
_ARM = 'dmcp_exp'
#: Latencies are finer than FLOPs: enough networks are within the shipped one.
_TOLERANCE = 0.01
_ROUNDS = 15


def main() -> None:
    """Search what is missing; print all."""
    args = parse_args()
    table = tables.load(_TABLE, args.tables)
    latency = Latency(table, args)
    path = args.results / f'{_TABLE}_latency.jsonl'
    bench = Bench(
        table,
        CIFAR10(args.data_root, args.size),
        args.work_dir / _TABLE,
        args.iterations,
        args.batch,
        args.size,
    )
    done = {records.key(record) for record in records.read(path)}
    for given in records.read(args.results / f'{_TABLE}.jsonl'):
        setting = (given['iterations'], given['batch'], given.get('size', 32))
        wanted = (args.iterations, args.batch, args.size)
        if given['arm'] != _ARM or setting != wanted or given['seed'] not in args.seeds:
            continue
        if records.key(given) not in done and given['share'] in args.shares:
            records.append(path, compare(bench, latency, given))
    show(records.read(path))


def parse_args() -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--data-root', required=True)
    parser.add_argument('--profile', required=True)
    parser.add_argument('--seconds', type=float, default=0.0, help='to measure it')
    parser.add_argument('--runtime', default='onnxruntime')
    parser.add_argument('--images', type=int, default=1, help='of a run')
    parser.add_argument('--shares', type=float, nargs='+', default=[0.5, 0.3, 0.15])
    parser.add_argument('--seeds', type=int, nargs='+', default=[0])
    parser.add_argument('--iterations', type=int, default=500)
    parser.add_argument('--batch', type=int, default=64)
    parser.add_argument('--size', type=int, default=16)
    parser.add_argument('--work-dir', type=Path, default=Path('work_dirs/widths'))
    parser.add_argument('--results', type=Path, default=_HERE / 'results')
    parser.add_argument(
        '--tables', type=Path, default=Path('../shared/data/width_bench')
    )
    return parser.parse_args()


class Latency:
    """What the table's networks take, predicted and measured.

    Args:
        table: The table.
        args: Options of the command.
    """

    def __init__(self, table: tables.Table, args: argparse.Namespace) -> None:
        self.table, self.path, self.images = table, args.profile, args.images
        self.runtime = Runtime(args.runtime)
        full = Classifier(table.network(table.full.tolist(), search=True)).eval()
        supernet = Supernet(full, INPUT_SHAPE)
        if args.seconds:
            known = Profile.load(self.path) if Path(self.path).exists() else None
            found = measure_profile(
                supernet,
                table.candidates,
                self.runtime,
                processor(self.runtime.device),
                self.images,
                seconds=args.seconds,
                known=known,
            )
            found.save(self.path)
        profile = Profile.load(self.path)
        attach(supernet.cost, len(supernet.units), INPUT_SHAPE, profile)
        predicted = supernet.cost.tables['latency_us']
        self.us = predicted(torch.from_numpy(table.widths)).numpy()  # [networks]

    def place(self, widths: list[int]) -> dict:
        """Where a network stands among those that are predicted to take as long."""
        row = self.table.row(widths)
        low, high = (bound * self.us[row] for bound in tables.BAND)
        band = self.table.accuracy[(self.us >= low) & (self.us <= high)]
        accuracy = float(self.table.accuracy[row])
        return dict(
            widths=widths,
            accuracy=round(accuracy, 3),
            percentile=round(100 * float((band < accuracy).mean()), 2),
            predicted_us=round(float(self.us[row]), 1),
            share=round(float(self.table.macs[row] / self.table.macs.max()), 4),
        )

    def measure(self, networks: list[list[int]]) -> list[float]:
        """Microseconds that they take, timed in turns, as the table has them."""
        image = torch.rand(self.images, *INPUT_SHAPE)
        makers = [
            self.runtime.maker(self.table.network(widths).eval(), image)
            for widths in networks
        ]
        times: list[list[int]] = [[] for _ in networks]
        with self.runtime.ready():
            for _ in range(_ROUNDS):
                for row, make in zip(times, makers):
                    row.append(self.runtime.time(make()))
        return [round(min(row) / 1e3, 1) for row in times]


def compare(bench: Bench, latency: Latency, given: dict) -> dict:
    """A search for the latency of a network that one for FLOPs found."""
    by_flops = latency.place(given['widths'])
    options = dict(
        target=dict(latency=f'{by_flops["predicted_us"]:.0f}us'),
        profile=str(latency.path),
        tolerance=_TOLERANCE,
    )
    plan = bench.plan(
        given['share'],
        given['seed'],
        options=options,
        **as_shipped(bench.iterations),
    )
    search = bench.search(plan)
    search.run()
    by_latency = latency.place(arms.choose(bench, search, 'accuracy')['widths'])
    times = latency.measure([by_flops['widths'], by_latency['widths']])
    by_flops['measured_us'], by_latency['measured_us'] = times
    same = {name: given.get(name) for name in records.KEY}
    return dict(
        same,
        images=latency.images,
        runtime=latency.runtime.name,
        by_flops=by_flops,
        by_latency=by_latency,
        **records.circumstances(f'python -m {__spec__.name} {" ".join(sys.argv[1:])}'),
    )


def show(found: list[dict]) -> None:
    """Print what there is, a pair a line, and the means."""
    kinds = ('by_flops', 'by_latency')
    for record in sorted(found, key=lambda r: (-r['share'], r['seed'])):
        cells = [
            f'{":".join(map(str, r["widths"]))} {r["accuracy"]:.2f} % '
            f'(percentile {r["percentile"]:.0f}), {r["measured_us"]:.0f} us '
            f'(predicted {r["predicted_us"]:.0f}), {r["share"]:.1%} of the FLOPs'
            for r in map(record.get, kinds)
        ]
        print(f'{record["share"]:.0%} seed {record["seed"]}: ' + ' | '.join(cells))
    for name in ('accuracy', 'percentile', 'measured_us', 'share'):
        means = [statistics.mean(r[kind][name] for r in found) for kind in kinds]
        print(f'mean {name}: by FLOPs {means[0]:.3f}, by latency {means[1]:.3f}')


if __name__ == '__main__':
    main()
