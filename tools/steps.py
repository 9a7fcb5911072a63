"""Runs of ``tools/train.py`` and ``tools/test.py``, one after another.

Shared by the scripts that train several networks and print one table.
Commands are printed as they are run, and progress while they run; what they
print themselves goes to a log.
"""

import json
import os
import re
import shlex
import subprocess
import sys
import time
from collections import deque
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parent.parent
CONFIGS = ROOT / 'configs' / 'pruning' / 'dmcp'
ITERATION = re.compile(r'Epoch\(train\)\s+\[(\d+)\]\[\s*(\d+)/(\d+)\].*?\bloss: (\S+)')
ACCURACY = re.compile(r'(\w+/)?accuracy/top1: (\S+)')


class Net(NamedTuple):
    """A network: what it is called, where its files go, its config."""

    label: str
    folder: str
    config: str  # path from configs/pruning/dmcp


class Row(NamedTuple):
    """A row of the table: a network, what it costs and what it knows."""

    label: str
    macs: int
    params: int
    top1: float  # percent


def train(net: Net, work_dir: Path, options: Sequence[str]) -> None:
    """Run ``tools/train.py``, showing how far it is.

    Args:
        net: What to train.
        work_dir: The folder of the study; the run gets ``net.folder`` in it.
        options: Settings as after ``--cfg-options``.
    """
    epochs = int(load_config(net, options).train_cfg.max_epochs)
    command = [
        relative(ROOT / 'tools' / 'train.py'),
        relative(CONFIGS / net.config),
        '--work-dir',
        str(work_dir / net.folder),
        '--cfg-options',
        *options,
    ]
    progress = Progress(epochs)
    run(command, work_dir / f'{net.folder}.log', progress)
    progress.end()


def test(
    net: Net,
    work_dir: Path,
    options: Sequence[str] = (),
    checkpoint: str | None = None,
) -> float:
    """Run ``tools/test.py``: test top-1 in percent.

    Args:
        net: What to test.
        work_dir: As for :func:`train`.
        options: As for :func:`train`.
        checkpoint: Its weights; defaults to the run's last checkpoint.
    """
    folder = work_dir / net.folder
    if checkpoint is None:
        checkpoint = (folder / 'last_checkpoint').read_text().strip()
    result = folder / 'test.json'
    command = [
        relative(ROOT / 'tools' / 'test.py'),
        relative(CONFIGS / net.config),
        checkpoint,
        '--work-dir',
        str(folder),
        '--out',
        str(result),
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
        self.quarters = 0  # of the training that were announced

    def __call__(self, line: str) -> None:
        """Read one line of the log."""
        if 'Epoch(val)' in line:
            self.accuracy = ''.join(
                f'  {net or ""}val top-1 {float(value):.1f} %'
                for net, value in ACCURACY.findall(line)
            )
        found = ITERATION.search(line)
        if not found:
            return
        epoch, step, steps = (int(found[i]) for i in (1, 2, 3))
        done = (epoch - 1 + step / steps) / self.epochs
        text = (
            f'     epoch {epoch:3d}/{self.epochs}  {done:4.0%}  '
            f'loss {float(found[4]):7.4f}{self.accuracy}  '
            f'{time.time() - self.start:4.0f} s'
        )
        if sys.stdout.isatty():  # one line, rewritten
            print(f'\r\033[K{text}', end='', flush=True)
        elif int(4 * done) > self.quarters:
            self.quarters = int(4 * done)
            say(text)

    def end(self) -> None:
        """Leave the line that was rewritten."""
        if sys.stdout.isatty():
            print()


def run(command: list[str], log: Path, watch: Callable[[str], None]) -> None:
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
    with (
        log.open('w') as file,
        subprocess.Popen(
            [sys.executable, *command],
            text=True,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        ) as process,
    ):
        for line in process.stdout:
            file.write(line)
            tail.append(line)
            watch(line)
    if process.returncode:
        say(''.join(tail))
        raise SystemExit(
            f'This command failed, its whole output is in {log}:'
            f'\npython {shlex.join(command)}'
        )


def load_config(net: Net, options: Sequence[str]):
    """The config of a network with the settings of a run."""
    from mmdmcp.preflight.config import load_config

    return load_config(
        str(CONFIGS / net.config), dict(option.split('=', 1) for option in options)
    )


def count(net: Net, image: tuple[int, int, int],
          options: Sequence[str] = ()) -> tuple[int, int]:  # yapf: disable
    """FLOPs and parameters of a net, counted by torch on the built model.

    Args:
        net: Which.
        image: Channels, height and width of an image.
        options: As for :func:`train`.
    """
    import torch
    from mmengine.registry import init_default_scope
    from mmpretrain.registry import MODELS

    from mmdmcp import cost

    cfg = load_config(net, options)
    init_default_scope(cfg.default_scope)
    model = MODELS.build(cfg.model).eval()
    macs = cost.count(lambda: model(torch.zeros(1, *image)))
    return macs, sum(p.numel() for p in model.parameters())


def print_table(title: str, rows: Sequence[Row]) -> None:
    """Print the networks side by side, the first being the full one."""
    from rich.console import Console
    from rich.table import Table

    table = Table(
        title=title,
        caption='1 FLOP = 1 multiply-accumulate of a convolution or linear '
        'layer, counted by torch.utils.flop_counter',
    )
    table.add_column('net')
    for name in ('FLOPs', 'of full', 'parameters', 'test top-1'):
        table.add_column(name, justify='right')
    full = rows[0].macs
    for row in rows:
        table.add_row(
            row.label,
            f'{row.macs:,}',
            f'{row.macs / full:.1%}',
            f'{row.params:,}',
            f'{row.top1:.2f} %',
        )
    Console().print(table)


def relative(path: Path) -> str:
    """As short as it can be written from here."""
    return os.path.relpath(path)


def say(text: str) -> None:
    """Print at once, also into a file or a pipe."""
    print(text, flush=True)
