"""Which widths real kernels like: time a multiply-accumulate by divisor.

    python benchmarks/divisor.py --model resnet50 --size 64 --batch 8

Random networks from grids that differ in ``divisor`` only are trained one
step each (forward and backward), first when their shapes are new to the
kernel library, then again. Printed, for each divisor, medians over the
networks: nanoseconds a multiply-accumulate of one image, and both again in
units of divisor 1.
"""

import argparse
import json
import statistics
import sys
import warnings
from pathlib import Path

import torch

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from clock import Clock
from models import NAMES, Setting
from pieces import Search

from mmdmcp.dmcp import DMCP
from mmdmcp.dmcp.grid import WidthGrid


def parse_args() -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--model', choices=NAMES, default='resnet50')
    parser.add_argument('--size', type=int, default=64)
    parser.add_argument('--batch', type=int, default=8)
    parser.add_argument('--threads', type=int, default=1)
    parser.add_argument('--device', default='cpu')
    parser.add_argument('--nets', type=int, default=12)
    parser.add_argument(
        '--divisors',
        nargs='+',
        type=lambda x: x if x == 'auto' else int(x),
        default=[1, 2, 4, 8, 16, 'auto'],
    )
    parser.add_argument('--busy', action='store_true')
    return parser.parse_args()


def main() -> None:
    """Measure and print."""
    args = parse_args()
    warnings.simplefilter('ignore')
    torch.set_num_threads(args.threads)
    clock = Clock(args.device, args.busy)
    macs = measure(args, clock)
    times = {
        key: statistics.median(
            1e9 * t / m for t, m in zip(clock.seconds[key], macs[key])
        )
        for key in macs
    }
    first = args.divisors[0]
    print(
        json.dumps(
            dict(
                vars(args),
                nanoseconds_per_mac=times,
                relative={
                    key: value / times[f'{first} {key.split()[1]}']
                    for key, value in times.items()
                },
            ),
            indent=1,
        )
    )


def measure(args: argparse.Namespace, clock: Clock) -> dict[str, list[int]]:
    """Time random networks from every grid, first new, then known.

    Returns:
        Multiply-accumulates of each step that the clock has timed.
    """
    setting = Setting(args.device)
    data = setting.batch(args.size, args.batch)
    search = Search(args.model, args.size, data, setting)
    algorithm, mutator = search.algorithm, search.algorithm.mutator
    generator = torch.Generator().manual_seed(0)
    macs: dict[str, list[int]] = {}
    for _ in range(args.nets):
        shares = torch.rand(len(mutator.units), generator=generator)
        for divisor in args.divisors:
            grid = WidthGrid(divisor=divisor)
            widths = []
            for unit, share in zip(mutator.units, shares.tolist()):
                choices = grid(unit.num_channels)
                widths.append(choices[int(share * len(choices))])
            algorithm.set_widths(widths)
            for state in ('new', 'known'):
                key = f'{divisor} {state}'
                clock.time(key, lambda: step(algorithm, data))
                macs.setdefault(key, []).append(algorithm.cost()['macs'] * args.batch)
    return macs


def step(algorithm: DMCP, data: dict) -> None:
    """Forward and backward at the widths that are set."""
    architecture = algorithm.architecture
    loss, _ = algorithm.parse_losses(
        architecture(**algorithm.data_preprocessor(data, True), mode='loss')
    )
    loss.backward()


if __name__ == '__main__':
    main()
