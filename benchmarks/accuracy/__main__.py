"""Pruned networks retrained on CIFAR-10: one recipe, one budget of iterations.

    python -m benchmarks.accuracy run resnet20 --data-root data/cifar10
    python -m benchmarks.accuracy report

``run`` computes what the results lack, target by target, seed by seed and
arm by arm, and appends each result to
``benchmarks/accuracy/results/<network>.jsonl``. It can be killed at any
moment and started again, where it goes on from the last epoch; several can
run side by side. ``report`` prints the tables and writes them into ``docs/``.
"""

import argparse
import os
import sys
import warnings
from pathlib import Path

# One process, one thread: runs go side by side.
os.environ.setdefault('OMP_NUM_THREADS', '1')
warnings.simplefilter('ignore')  # of the packages that are imported

from mmdmcp.cli.train import keep_kernels

keep_kernels()  # before torch computes

import torch

from ..widths import records
from ..widths.data import CIFAR10
from . import arms, report
from .networks import DEPTHS, ResNetSpace, macs
from .peers import PEERS
from .training import Images, Recipe, correct

ARMS: dict[str, arms.Arm] = {
    'full': arms.full,
    'uniform': arms.uniform,
    'dmcp': arms.dmcp,
    'dmcp_fitted': arms.fitted,
    'layers': arms.layers,
    'importance': arms.importance,
    'random': arms.random,
    'gates': arms.gates,
    **PEERS,
}
#: What makes a result one of its own.
KEY = ('network', 'arm', 'share', 'seed', 'epochs', 'batch')
_HERE = Path(__file__).resolve().parent


def main() -> int:
    """Run or report; return the exit code."""
    args = parse_args()
    if args.verb == 'report':
        report.write(args.results, args.docs)
        return 0
    space = ResNetSpace(args.network)
    size = arms.Run.search[-1]
    data, small = Images(args.data_root), CIFAR10(args.data_root, size)
    for share in args.shares:
        for seed in args.seeds:
            for arm in args.arms:
                kept = 1.0 if arm == 'full' else share
                recipe = Recipe(args.epochs, args.batch, seed)
                name = f'{arm}_{kept}_e{args.epochs}_b{args.batch}_s{seed}'
                folder = args.work_dir / space.name
                one = arms.Run(space, data, small, folder, recipe, kept, name)
                run(one, arm, args.results / f'{space.name}.jsonl')
    return 0


def parse_args() -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(
        prog='python -m benchmarks.accuracy', description=__doc__.split('\n\n')[0]
    )
    verbs = parser.add_subparsers(dest='verb', required=True)
    for verb in ('run', 'report'):
        one = verbs.add_parser(
            verb, formatter_class=argparse.ArgumentDefaultsHelpFormatter
        )
        one.add_argument('--results', type=Path, default=_HERE / 'results')
    one.add_argument('--docs', type=Path, default=_HERE.parents[1] / 'docs')
    one = verbs.choices['run']
    one.add_argument('network', choices=DEPTHS)
    one.add_argument(
        '--data-root', required=True, help='the folder that holds cifar-10-batches-py'
    )
    one.add_argument('--arms', nargs='+', choices=ARMS, default=[*ARMS])
    one.add_argument('--shares', type=float, nargs='+', default=[0.3, 0.5])
    one.add_argument('--seeds', type=int, nargs='+', default=[0, 1, 2])
    one.add_argument('--epochs', type=int, default=30, help='of training, in all')
    one.add_argument('--batch', type=int, default=128)
    one.add_argument(
        '--work-dir',
        type=Path,
        default=Path('work_dirs/accuracy'),
        help='checkpoints, subnet files and weights',
    )
    return parser.parse_args()


def run(one: arms.Run, arm: str, path: Path) -> None:
    """One result, unless it is there or another process is at it."""
    recipe = one.recipe
    record = dict(
        network=one.space.name,
        arm=arm,
        share=one.share,
        seed=recipe.seed,
        epochs=recipe.epochs,
        batch=recipe.batch,
    )
    with records.locked(one.folder / f'{one.name}.lock', wait=False) as free:
        done = {records.key(r, KEY) for r in records.read(path)}
        if not free or records.key(record, KEY) in done:
            return
        net, found = ARMS[arm](one)
        right = correct(net, one.data)
        cost = macs(net)
        # A plain epoch: every training image once, three passes.
        plain = 3 * one.space.full_macs * one.data.num_train
        record.update(
            accuracy=round(100 * right / one.data.num_test, 2),
            macs=cost,
            share_found=round(cost / one.space.full_macs, 4),
            params=sum(p.numel() for p in net.parameters()),
            widths=[
                m.out_channels for m in net.modules() if isinstance(m, torch.nn.Conv2d)
            ],
            cpu_seconds=round(found['seconds'], 1),
            search_seconds=round(found.get('search_seconds', 0.0), 1),
            search_epochs=round(found.get('search_macs', 0) / plain, 3),
            **records.circumstances(
                ' '.join(['python -m benchmarks.accuracy', *sys.argv[1:]])
            ),
        )
        torch.save(net.state_dict(), one.folder / f'{one.name}_weights.pth')
        records.append(path, record)
        print(report.line(record), flush=True)


if __name__ == '__main__':
    sys.exit(main())
