"""Pruned networks retrained on CIFAR-10: one recipe, one budget of iterations.

    python -m benchmarks.accuracy run resnet20 --data-root data/cifar10
    python -m benchmarks.accuracy report

``run`` computes what the results lack, seed by seed, target by target and
arm by arm, and appends each result to
``benchmarks/accuracy/results/<network>.jsonl``. It can be killed at any
moment and started again, where it goes on from the last epoch; several can
run side by side. With ``--device cuda`` the networks of a seed that start from
random weights train together on a GPU, and so do those that were cut out of a
trained one; if such a group is killed it starts anew. ``search`` only finds the
networks that need a search, which runs on a CPU. ``report`` prints the tables and
writes them into ``docs/``.
"""

import argparse
import os
import sys
import warnings
from collections.abc import Sequence
from contextlib import ExitStack
from importlib.util import find_spec
from pathlib import Path

# One process, one thread: runs go side by side.
os.environ.setdefault('OMP_NUM_THREADS', '1')
warnings.simplefilter('ignore')  # of the packages that are imported

from mmdmcp.cli.train import keep_kernels

keep_kernels()  # before torch computes

import torch

from ..widths import records
from ..widths.data import CIFAR10
from . import arms, razor, report
from .networks import DEPTHS, ResNetSpace, macs
from .peers import PEERS
from .runs import Run, Start
from .together import train_together
from .training import Images, Recipe, correct, train_net

ARMS: dict[str, arms.Arm] = {
    'full': arms.full,
    'full_tuned': arms.full_tuned,
    'uniform': arms.uniform,
    'dmcp': arms.dmcp,
    'dmcp_fitted': arms.fitted,
    'layers': arms.layers,
    'importance': arms.importance,
    'random': arms.random,
    'gates': arms.gates,
    'mmrazor_dmcp': razor.mmrazor_dmcp,
    **PEERS,
}
#: What makes a result one of its own.
KEY = ('network', 'arm', 'share', 'seed', 'epochs', 'batch', 'device')
_HERE = Path(__file__).resolve().parent


def main() -> int:
    """Run or report; return the exit code."""
    args = parse_args()
    if args.verb == 'report':
        report.write(args.results, args.docs)
        return 0
    space = ResNetSpace(args.network)
    small = CIFAR10(args.data_root, Run.search[-1])
    folder = args.work_dir / space.name
    if args.verb == 'search':
        for seed in args.seeds:
            for arm, share in targets(args.arms, args.shares):
                recipe = Recipe(0, 0, seed)  # nothing is trained
                ARMS[arm](Run(arm, space, None, small, folder, recipe, share))
        return 0
    if args.device == 'cuda' and not torch.cuda.is_available():
        print('no GPU here: --device cpu trains without one', file=sys.stderr)
        return 1
    if set(args.arms) & set(PEERS) and not find_spec('torch_pruning'):
        print(
            'Torch-Pruning is missing: pip install torch-pruning==1.6.0, or leave '
            f'{" and ".join(PEERS)} out of --arms',
            file=sys.stderr,
        )
        return 1
    data = Images(args.data_root, device=args.device)
    for seed in args.seeds:
        recipe = Recipe(args.epochs, args.batch, seed)
        runs = [
            Run(arm, space, data, small, folder, recipe, share)
            for arm, share in targets(args.arms, args.shares)
        ]
        # A GPU has room for all of them at once.
        for group in [runs] if args.device == 'cuda' else [[one] for one in runs]:
            compute(group, args.results / f'{space.name}.jsonl')
    return 0


def targets(names: Sequence[str], shares: Sequence[float]) -> list[tuple[str, float]]:
    """Arms and ratios of the full network, target by target."""
    whole = [(name, 1.0) for name in names if name in arms.WHOLE]
    return whole + [
        (n, share) for share in shares for n in names if n not in arms.WHOLE
    ]


def parse_args() -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(
        prog='python -m benchmarks.accuracy', description=__doc__.split('\n\n')[0]
    )
    verbs = parser.add_subparsers(dest='verb', required=True)
    for verb, choices in (('run', [*ARMS]), ('search', [*arms.SEARCHED])):
        one = verbs.add_parser(
            verb, formatter_class=argparse.ArgumentDefaultsHelpFormatter
        )
        one.add_argument('network', choices=DEPTHS)
        one.add_argument(
            '--data-root',
            required=True,
            help='the folder that holds cifar-10-batches-py',
        )
        one.add_argument(
            '--arms',
            nargs='+',
            choices=choices,
            # It may end in the middle.
            default=[arm for arm in choices if arm != 'mmrazor_dmcp'],
        )
        one.add_argument('--shares', type=float, nargs='+', default=[0.3, 0.5])
        one.add_argument('--seeds', type=int, nargs='+', default=[0, 1, 2])
        one.add_argument(
            '--work-dir',
            type=Path,
            default=Path('work_dirs/accuracy'),
            help='checkpoints, subnet files and weights',
        )
    one = verbs.choices['run']
    one.add_argument('--epochs', type=int, default=30, help='of training, in all')
    one.add_argument('--batch', type=int, default=128)
    one.add_argument(
        '--device', choices=('cpu', 'cuda'), default='cpu', help='what trains'
    )
    tables = verbs.add_parser(
        'report', formatter_class=argparse.ArgumentDefaultsHelpFormatter
    )
    tables.add_argument('--docs', type=Path, default=_HERE.parents[1] / 'docs')
    for verb_parser in (one, tables):
        verb_parser.add_argument('--results', type=Path, default=_HERE / 'results')
    return parser.parse_args()


def compute(runs: Sequence[Run], path: Path) -> None:
    """Results of runs that are trained together, but for those that are there or
    that another process is at."""
    with ExitStack() as locks:
        free = [
            one
            for one in runs
            if locks.enter_context(
                records.locked(one.folder / f'{one.name}.lock', wait=False)
            )
        ]
        done = {records.key(record, KEY) for record in records.read(path)}
        left = [one for one in free if records.key(identity(one), KEY) not in done]
        starts = {one: ARMS[one.arm](one) for one in left}
        train(starts)
        for one, start in starts.items():
            record = {**identity(one), **result(one, start)}
            torch.save(start.net.state_dict(), one.folder / f'{one.name}_weights.pth')
            records.append(path, record)
            print(report.line(record), flush=True)


def train(starts: dict[Run, Start]) -> None:
    """Train what is not trained yet: on a GPU together, else one by one."""
    for half in (None, 1):
        left = [
            (one, start)
            for one, start in starts.items()
            if start.half == half and not start.trained
        ]
        if left and left[0][0].device != 'cpu':
            nets, one = [start.net for _, start in left], left[0][0]
            seconds = train_together(nets, one.data, one.recipe, half)
            for _, start in left:
                start.seconds += seconds
            continue
        for one, start in left:
            path = one.folder / f'{one.name}.pth'
            start.seconds += train_net(path, start.net, one.data, one.recipe, half)


def identity(one: Run) -> dict:
    """What makes a result one of its own."""
    return dict(
        network=one.space.name,
        arm=one.arm,
        share=one.share,
        seed=one.seed,
        epochs=one.recipe.epochs,
        batch=one.recipe.batch,
        device=one.device,
    )


def result(one: Run, start: Start) -> dict:
    """What there is to say about a trained network."""
    right = correct(start.net, one.data)
    net = start.net.cpu()
    cost = macs(net)
    # A plain epoch: every training image once, three passes.
    plain = 3 * one.space.full_macs * one.data.num_train
    return dict(
        accuracy=round(100 * right / one.data.num_test, 2),
        macs=cost,
        share_found=round(cost / one.space.full_macs, 4),
        params=sum(p.numel() for p in net.parameters()),
        widths=[
            m.out_channels for m in net.modules() if isinstance(m, torch.nn.Conv2d)
        ],
        seconds=round(start.seconds, 1),
        search_seconds=round(start.search_seconds, 1),
        search_epochs=round(start.search_macs / plain, 3),
        **records.circumstances(
            ' '.join(['python -m benchmarks.accuracy', *sys.argv[1:]]), one.data.device
        ),
    )


if __name__ == '__main__':
    sys.exit(main())
