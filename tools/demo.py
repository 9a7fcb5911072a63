"""Prune a network on real data, from start to test, in minutes on a CPU.

``--method dmcp`` searches half the FLOPs of a ResNet-14 on scikit-learn's
digits, writes ``DMCP_SUBNET_DIGITS.yaml``, retrains that subnet from scratch,
trains the full net and a uniformly narrowed one of the same FLOPs the same
way, and tests the three on images that nothing has seen before.

``--method gate`` trains the full net, closes half of its FLOPs with trainable
gates while it is tuned further, cuts the closed channels out, and tests the
net before, with its gates, and without the closed channels.

Every step is a config run by ``tools/train.py`` or ``tools/test.py``; the
commands are printed.
"""
import argparse
import json
import os
import re
import shlex
import subprocess
import sys
import time
import warnings
from collections import deque
from pathlib import Path
from typing import List, NamedTuple, Optional, Tuple

ROOT = Path(__file__).resolve().parent.parent
# The package of this checkout, installed or not, as tools/train.py does.
sys.path[0] = str(ROOT)
CONFIGS = ROOT / 'configs' / 'pruning' / 'dmcp'
SUBNET = 'DMCP_SUBNET_DIGITS.yaml'
TOLERANCE = 0.01  # of the target, for the FLOPs of the subnet
EPOCH = re.compile(r'Epoch\(train\)\s+\[(\d+)\].*?\bloss: (\S+)')
ACCURACY = re.compile(r'(\w+/)?accuracy/top1: (\S+)')


class Net(NamedTuple):
    """A row of the table: how it is trained and called."""
    label: str
    folder: str
    config: str


NETS = (
    Net('full', 'full', 'resnet14_digits.py'),
    Net('uniformly narrowed', 'narrow', 'resnet14-narrow_digits.py'),
    Net('DMCP subnet', 'subnet', 'dmcp_resnet14_subnet_digits.py'),
)
SEARCH = Net('search', 'search', 'dmcp_resnet14_supernet_digits.py')
GATE_NETS = (
    Net('pretrained', 'full', 'resnet14_digits.py'),
    Net('gated', 'gated', '../gate/gate_resnet14_digits.py'),
    Net('small', 'small', '../gate/gate_resnet14_subnet_digits.py'),
)
GATE_SUBNET = 'GATE_SUBNET_DIGITS'


def main() -> int:
    args = parse_args()
    warnings.simplefilter('ignore')  # of the packages that are imported
    start = time.time()
    work_dir = Path(args.work_dir)
    METHODS[args.method](work_dir, settings(args))
    say(f'{time.time() - start:.0f} s in all. Logs, checkpoints and the '
        f'subnet file are in {work_dir}')
    return 0


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__.split('\n\n')[0],
        formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    parser.add_argument(
        '--method', choices=METHODS, default='dmcp', help='how to prune')
    parser.add_argument(
        '--work-dir', default='work_dirs/demo', help='where results go')
    parser.add_argument('--seed', type=int, default=0, help='of every run')
    parser.add_argument(
        '--epochs', type=int, help='of every run (default: 40, as configured)')
    return parser.parse_args()


def settings(args: argparse.Namespace) -> List[str]:
    """What every training is told, as ``--cfg-options``."""
    options = [f'randomness.seed={args.seed}']
    if args.epochs is not None:
        options.append(f'train_cfg.max_epochs={args.epochs}')
    return options


def dmcp(work_dir: Path, options: List[str]) -> None:
    """Search, retrain, and compare with the full and a narrowed net."""
    subnet = work_dir / SEARCH.folder / SUBNET
    say('1/4  Search: which channels are worth their FLOPs?')
    train(SEARCH, work_dir, options)
    say(f'     The result: {subnet}')
    rows = []
    for number, net in enumerate(NETS, start=2):
        say(f'{number}/4  Train from scratch: {net.label}')
        extra = [f'model.subnet={subnet}'] if net.folder == 'subnet' else []
        train(net, work_dir, options + extra)
        rows.append((net, *count(net, extra), test(net, work_dir, extra)))
    print_table(rows)
    check_flops(rows[-1][1], subnet)


def gate(work_dir: Path, options: List[str]) -> None:
    """Pretrain, tune with gates, and compare before, gated and small."""
    pretrained, gated, small = GATE_NETS
    folder = work_dir / gated.folder
    say(f'1/3  Train the net that will be pruned: {pretrained.label}')
    train(pretrained, work_dir, options)
    start = (work_dir / pretrained.folder / 'last_checkpoint').read_text()
    say('2/3  Tune it further, with a gate on every channel')
    train(gated, work_dir, options + [f'load_from={start.strip()}'])
    say(f'3/3  Test: the small net is {folder / GATE_SUBNET}.yaml and .pth')
    extra = [
        f'model.subnet={folder / GATE_SUBNET}.yaml',
        f'model.init_cfg.checkpoint={folder / GATE_SUBNET}.pth'
    ]
    cost = count(pretrained, [])
    rows = [
        (pretrained, *cost, test(pretrained, work_dir, [])),
        # Its closed channels are computed, and multiplied by zero.
        (gated, *cost, test(gated, work_dir, [])),
        (small, *count(small, extra),
         test(small, work_dir, extra, f'{folder / GATE_SUBNET}.pth')),
    ]
    print_table(rows)
    check_flops(rows[-1][1], folder / f'{GATE_SUBNET}.yaml')


METHODS = {'dmcp': dmcp, 'gate': gate}


def train(net: Net, work_dir: Path, options: List[str]) -> None:
    """Run ``tools/train.py``, showing how far it is."""
    epochs = int(load_config(net, options).train_cfg.max_epochs)
    command = [
        relative(ROOT / 'tools' / 'train.py'),
        relative(CONFIGS / net.config), '--work-dir',
        str(work_dir / net.folder), '--cfg-options', *options
    ]
    run(command, work_dir / f'{net.folder}.log', Progress(epochs))


def test(net: Net,
         work_dir: Path,
         options: List[str],
         checkpoint: Optional[str] = None) -> float:
    """Run ``tools/test.py``, on the last checkpoint if none is given:
    top-1 in percent."""
    folder = work_dir / net.folder
    if checkpoint is None:
        checkpoint = (folder / 'last_checkpoint').read_text().strip()
    result = folder / 'test.json'
    command = [
        relative(ROOT / 'tools' / 'test.py'),
        relative(CONFIGS / net.config), checkpoint, '--work-dir',
        str(folder), '--out',
        str(result)
    ]
    if options:
        command += ['--cfg-options', *options]
    run(command, work_dir / f'{net.folder}_test.log', lambda line: None)
    return json.loads(result.read_text())['accuracy/top1']


class Progress:
    """Turns the log of a training into a line that says how far it is."""

    def __init__(self, epochs: int) -> None:
        self.epochs = epochs
        self.accuracy = ''
        self.start = time.time()

    def __call__(self, line: str) -> None:
        if 'Epoch(val)' in line:
            self.accuracy = ''.join(
                f'  {net or ""}val top-1 {float(value):.1f} %'
                for net, value in ACCURACY.findall(line))
        found = EPOCH.search(line)
        if not found:
            return
        epoch, loss = int(found[1]), float(found[2])
        text = (f'     epoch {epoch:3d}/{self.epochs}  loss {loss:7.4f}'
                f'{self.accuracy}  {time.time() - self.start:4.0f} s')
        last = epoch == self.epochs
        if sys.stdout.isatty():  # one line, rewritten
            print(f'\r\033[K{text}', end='\n' if last else '', flush=True)
        elif epoch % 10 == 0 or last:
            say(text)


def run(command: List[str], log: Path, watch) -> None:
    """Run a Python script, its output in a log.

    Raises:
        SystemExit: If it fails; its last lines are printed first.
    """
    say(f'     $ python {shlex.join(command)}')
    # The kernels are too small to be worth sharing between threads, and
    # one thread adds up the same way on every machine.
    environment = dict(os.environ, OMP_NUM_THREADS='1')
    log.parent.mkdir(parents=True, exist_ok=True)
    tail = deque(maxlen=25)
    with log.open('w') as file, subprocess.Popen(
        [sys.executable, *command],
            text=True,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT) as process:
        for line in process.stdout:
            file.write(line)
            tail.append(line)
            watch(line)
    if process.returncode:
        say(''.join(tail))
        raise SystemExit(f'This command failed, its whole output is in {log}:'
                         f'\npython {shlex.join(command)}')


def load_config(net: Net, options: List[str]):
    from mmengine.config import Config
    cfg = Config.fromfile(CONFIGS / net.config)
    cfg.merge_from_dict(dict(option.split('=', 1) for option in options))
    return cfg


def count(net: Net, options: List[str]) -> Tuple[int, int]:
    """FLOPs and parameters of a net, counted by torch on the built model."""
    import torch
    from mmengine.registry import init_default_scope
    from mmpretrain.registry import MODELS
    from torch.utils.flop_counter import FlopCounterMode
    cfg = load_config(net, options)
    init_default_scope(cfg.default_scope)
    model = MODELS.build(cfg.model).eval()
    counter = FlopCounterMode(display=False)
    with torch.no_grad(), counter:
        model(torch.zeros(1, 1, 8, 8))
    params = sum(p.numel() for p in model.parameters())
    return counter.get_total_flops() // 2, params


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
        raise SystemExit(f'The subnet has {macs} FLOPs, more than '
                         f'{TOLERANCE:.0%} off the target of {target}')
    say(f'Target {target:,} FLOPs; the subnet has {macs:,} '
        f'({macs / target - 1:+.2%}), as {path.name} says.')


def print_table(rows: List[Tuple[Net, int, int, float]]) -> None:
    from rich.console import Console
    from rich.table import Table
    table = Table(
        title='ResNet-14 on digits: 359 test images that neither search nor '
        'training saw',
        caption='1 FLOP = 1 multiply-accumulate of a convolution or linear '
        'layer, counted by torch.utils.flop_counter')
    table.add_column('net')
    for name in ('FLOPs', 'of full', 'parameters', 'test top-1'):
        table.add_column(name, justify='right')
    full = rows[0][1]
    for net, macs, params, top1 in rows:
        table.add_row(net.label, f'{macs:,}', f'{macs / full:.1%}',
                      f'{params:,}', f'{top1:.2f} %')
    Console().print(table)


def relative(path: Path) -> str:
    """As short as it can be written from here."""
    return os.path.relpath(path)


def say(text: str) -> None:
    print(text, flush=True)


if __name__ == '__main__':
    sys.exit(main())
