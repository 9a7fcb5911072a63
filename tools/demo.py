#!/usr/bin/env python
"""Prune a network on real data, from start to test, in minutes on a CPU.

``--method dmcp`` searches for a ResNet-14 with half the FLOPs on
scikit-learn's digits, writes ``DMCP_SUBNET_DIGITS.yaml``, retrains that
subnet from scratch, trains the full net the same way, and tests both on
images that neither has seen.

``--method gate`` trains the full net, halves its FLOPs by closing channels
with trainable gates while it is tuned further, cuts the closed channels out,
and tests the net before, with its gates, and without the closed channels.

``--method importance`` trains the full net, removes the least important
channels until half the FLOPs are left, tunes what is left, and tests the
net before and after.

Every step is a config run by ``tools/train.py`` or ``tools/test.py``; the
commands are printed.
"""

import argparse
import sys
import time
import warnings
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parent.parent
# The package of this checkout, installed or not, as tools/train.py does.
sys.path[0] = str(ROOT)
sys.path.append(str(ROOT / 'tools'))
from steps import Net, Row, count, print_table, say, test, train

SUBNET = 'DMCP_SUBNET_DIGITS.yaml'
TOLERANCE = 0.01  # of the target, for the FLOPs of the subnet
IMAGE = (1, 8, 8)
TITLE = 'ResNet-14 on digits: 359 test images (0.28 points each) that nothing else saw'

NETS = (
    Net('full', 'full', 'resnet14_digits.py'),
    Net('DMCP subnet', 'subnet', 'dmcp_resnet14_subnet_digits.py'),
)
SEARCH = Net('search', 'search', 'dmcp_resnet14_supernet_digits.py')
PRETRAINED = Net('pretrained', 'full', 'resnet14_digits.py')


class Tuning(NamedTuple):
    """A method that prunes a trained network while it tunes it."""

    name: str
    pruned: str  # what the network is called while it is pruned
    how: str
    free: bool  # whether removed channels cost nothing while it tunes


TUNINGS = {
    'gate': Tuning('gate', 'gated', 'with a gate on every channel', False),
    'importance': Tuning(
        'importance', 'pruned', 'without its least important channels', True
    ),
}


def main() -> int:
    """Run the demo; return the exit code."""
    args = parse_args()
    warnings.simplefilter('ignore')  # of the packages that are imported
    start = time.time()
    work_dir = Path(args.work_dir)
    METHODS[args.method](work_dir, settings(args))
    say(
        f'{time.time() - start:.0f} s in all. Logs, checkpoints and the '
        f'subnet file are in {work_dir}'
    )
    return 0


def parse_args() -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(description=__doc__.split('\n\n')[0])
    parser.add_argument(
        '--method',
        choices=METHODS,
        default='dmcp',
        help='how to prune; dmcp by default',
    )
    parser.add_argument(
        '--work-dir',
        default='work_dirs/demo',
        help='where results go; work_dirs/demo by default',
    )
    parser.add_argument(
        '--seed', type=int, default=0, help='of every run; 0 by default'
    )
    parser.add_argument(
        '--epochs', type=int, help='of every run; by default as configured, 40'
    )
    return parser.parse_args()


def settings(args: argparse.Namespace) -> list[str]:
    """What every training is told, as ``--cfg-options``."""
    options = [f'randomness.seed={args.seed}']
    if args.epochs is not None:
        options.append(f'train_cfg.max_epochs={args.epochs}')
    return options


def dmcp(work_dir: Path, options: list[str]) -> None:
    """Search, retrain, and compare with the full net."""
    subnet = work_dir / SEARCH.folder / SUBNET
    say('1/3  Search: which channels are worth their FLOPs?')
    train(SEARCH, work_dir, options)
    say(f'     The result: {subnet}')
    rows = []
    for number, net in enumerate(NETS, start=2):
        say(f'{number}/3  Train from scratch: {net.label}')
        extra = [f'model.subnet={subnet}'] if net.folder == 'subnet' else []
        train(net, work_dir, options + extra)
        rows.append(
            Row(net.label, *count(net, IMAGE, extra), test(net, work_dir, extra))
        )
    print_table(TITLE, rows)
    check_flops(rows[-1].macs, subnet)
    report(work_dir / SEARCH.folder, rows)


def tune(method: str, work_dir: Path, options: list[str]) -> None:
    """Pretrain, prune while tuning, and compare before, pruned and small."""
    name, label, how, free = TUNINGS[method]
    config = f'../{name}/{name}_resnet14'
    pruned = Net(label, label, f'{config}_digits.py')
    small = Net('small', 'small', f'{config}_subnet_digits.py')
    folder = work_dir / pruned.folder
    subnet = folder / f'{name.upper()}_SUBNET_DIGITS'
    say(f'1/3  Train the net that will be pruned: {PRETRAINED.label}')
    train(PRETRAINED, work_dir, options)
    start = (work_dir / PRETRAINED.folder / 'last_checkpoint').read_text()
    say(f'2/3  Tune it further, {how}')
    train(pruned, work_dir, options + [f'load_from={start.strip()}'])
    say(f'3/3  Test: the small net is {subnet}.yaml and .pth')
    extra = [
        f'model.subnet={subnet}.yaml',
        f'model.init_cfg.checkpoint={subnet}.pth',
    ]
    full, after = count(PRETRAINED, IMAGE), count(small, IMAGE, extra)
    rows = [
        Row(PRETRAINED.label, *full, test(PRETRAINED, work_dir)),
        # Closed gates' channels are computed, and multiplied by zero.
        Row(pruned.label, *(after if free else full), test(pruned, work_dir)),
        Row(small.label, *after, test(small, work_dir, extra, f'{subnet}.pth')),
    ]
    print_table(TITLE, rows)
    check_flops(rows[-1].macs, Path(f'{subnet}.yaml'))
    report(folder, rows)


METHODS = {'dmcp': dmcp, **{name: partial(tune, name) for name in TUNINGS}}


def report(folder: Path, rows: Sequence[Row]) -> None:
    """Write the report of the search again, with what was tested since."""
    from mmdmcp.report.run_report import write_report

    tested = {f'{row.label}, tested': {'test top-1': row.top1} for row in rows}
    say(f'The report, with pictures: {write_report(folder, trained=tested)}')


def check_flops(macs: int, path: Path) -> None:
    """The subnet must cost what it was searched for, and what it says.

    Raises:
        SystemExit: If it does not.
    """
    from mmdmcp.subnet import Subnet

    subnet = Subnet.load(path)
    written, target = subnet.cost['macs'], subnet.target['macs']
    if macs != written:
        raise SystemExit(f'{path} says {written} FLOPs, torch counts {macs}')
    if abs(macs - target) > TOLERANCE * target:
        raise SystemExit(
            f'The subnet has {macs} FLOPs, more than '
            f'{TOLERANCE:.0%} off the target of {target}'
        )
    say(
        f'Target {target:,} FLOPs; the subnet has {macs:,} '
        f'({macs / target - 1:+.2%}), as {path.name} says.'
    )


if __name__ == '__main__':
    sys.exit(main())
