"""What only a GPU can show, in one command.

    python benchmarks/gpu.py --out gpu.json

runs searches and gates on the digits in float16 with a loss scaler, in
bfloat16, with SyncBN and over NCCL, goes on from a checkpoint, profiles
latency, and measures what a search step costs. Each of them is a command that
a user could type; all together take less than ten minutes, or what is left is
not run. The result is one JSON file: of each command whether it succeeded, how
long it took, and what it measured, or printed last if it failed. Without a GPU
it says so and exits with 0.
"""

import argparse
import json
import platform
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import torch

ROOT = Path(__file__).resolve().parents[1]
CONFIGS = 'configs/pruning/dmcp'
SEARCH = f'{CONFIGS}/dmcp_resnet14_supernet_digits.py'
GATES = 'configs/pruning/gate/gate_resnet14_digits.py'
#: So many last characters of a command's output are kept.
_KEPT = 1500


@dataclass(frozen=True)
class Check:
    """A command, and what it must leave.

    Attributes:
        name: What it shows.
        command: Its arguments, after the interpreter.
        seconds: Its time limit.
        leaves: A file that must exist afterwards.
        measures: Whether that file, or without one what it prints, is JSON.
    """

    name: str
    command: list[str]
    seconds: int = 90
    leaves: Path | None = None
    measures: bool = False


@dataclass
class Plan:
    """All checks, in order; later ones read what earlier ones left.

    Attributes:
        folder: Where runs write.
        device: ``'cuda'``; or ``'cpu'``, to try this script.
        epochs: Of each run on the digits.
        size: Height and width of the images that step costs are measured on.
        batch: Images of a step.
        rounds: Of a measurement.
    """

    folder: Path
    device: str
    epochs: int
    size: int
    batch: int
    rounds: int
    full: Path = field(init=False)

    def __post_init__(self) -> None:
        self.full = self.folder / 'full' / f'epoch_{self.epochs}.pth'

    def __iter__(self) -> Iterator[Check]:
        half = 'optim_wrapper.{0}.type=AmpOptimWrapper optim_wrapper.{0}.dtype=bfloat16'
        bfloat16 = [
            word
            for part in ('architecture', 'mutator')
            for word in half.format(part).split()
        ]
        yield self._train('full', f'{CONFIGS}/resnet14_digits.py', leaves=self.full)
        yield self._search('search')
        yield self._search('search, mixed precision', '--amp')
        if self.device == 'cuda':
            yield self._search('search, bfloat16', options=bfloat16)
            yield self._search(
                'search, SyncBN over NCCL',
                '--launcher=pytorch',
                options=['sync_bn=torch'],
                launch=['-m', 'torch.distributed.run', '--standalone'],
            )
        yield self._search(
            'search, resumed',
            f'--resume={self.folder / "search" / f"epoch_{self.epochs // 2}.pth"}',
        )
        for name, words in (
            ('gates', ()),
            ('gates, mixed precision', ('--amp',)),
        ):
            yield self._train(
                name,
                GATES,
                *words,
                options=[f'load_from={self.full}'],
                leaves=self.folder / _slug(name) / 'GATE_SUBNET_DIGITS.yaml',
            )
        yield from self._latency()
        for model in ('resnet50', 'mobilenetv2'):
            for options in ([], ['--amp', '--channels-last']):
                yield self._measure('step_cost', model, *options)
        yield self._measure('precision', 'resnet50')

    def _train(
        self,
        name: str,
        config: str,
        *words: str,
        options: list[str] | None = None,
        leaves: Path | None = None,
        launch: list[str] | None = None,
    ) -> Check:
        command = [
            *(launch or []),
            'tools/train.py',
            config,
            *words,
            f'--work-dir={self.folder / _slug(name)}',
            '--cfg-options',
            f'train_cfg.max_epochs={self.epochs}',
            'default_hooks.checkpoint.interval=1',
            'default_hooks.checkpoint.max_keep_ckpts=-1',
            *(options or []),
        ]
        return Check(name, command, leaves=leaves)

    def _search(self, name: str, *words: str, **options) -> Check:
        leaves = self.folder / _slug(name) / 'DMCP_SUBNET_DIGITS.yaml'
        return self._train(name, SEARCH, *words, leaves=leaves, **options)

    def _latency(self) -> Iterator[Check]:
        profile = self.folder / 'LATENCY.yaml'
        seconds = 60 if self.device == 'cuda' else 5
        where = [SEARCH, f'--device={self.device}', f'--seconds={seconds}']
        tool = ['-m', 'mmdmcp']
        yield Check(
            'profile', [*tool, 'profile', *where, f'--out={profile}'], leaves=profile
        )
        out = self.folder / 'latency.json'
        subnet = self.folder / 'search' / 'DMCP_SUBNET_DIGITS.yaml'
        yield Check(
            'latency, predicted and measured',
            [*tool, 'latency', f'{CONFIGS}/resnet14_digits.py', *where[1:2]]
            + [f'--subnet={subnet}', '--seconds=2', '--no-onnx']
            + [f'--profile={profile}', f'--out={out}'],
            leaves=out,
            measures=True,
        )

    def _measure(self, script: str, model: str, *options: str) -> Check:
        return Check(
            ' '.join([script, model, *options]),
            [f'benchmarks/{script}.py', '--model', model, '--device', self.device]
            + ['--size', str(self.size), '--batch', str(self.batch)]
            + ['--rounds', str(self.rounds), *options],
            seconds=120,
            measures=True,
        )


def _slug(name: str) -> str:
    return name.replace(', ', '-').replace(' ', '-').lower()


def run(check: Check, seconds: float) -> dict:
    """Run a check, in so many seconds at most.

    Returns:
        ``passed``, ``seconds``, ``command``, and ``measured`` or, of one that
        failed, ``output``.
    """
    start, limit = time.perf_counter(), min(check.seconds, max(0.0, seconds))
    try:
        done = subprocess.run(
            [sys.executable, *check.command],
            cwd=ROOT,
            text=True,
            capture_output=True,
            timeout=limit,
        )
        code, said, errors = done.returncode, done.stdout, done.stderr
    except subprocess.TimeoutExpired:
        code, said, errors = None, '', f'stopped after {limit:.0f} s'
    passed = code == 0 and (check.leaves is None or check.leaves.exists())
    result: dict = dict(
        passed=passed,
        seconds=round(time.perf_counter() - start, 1),
        command=' '.join(['python', *check.command]),
    )
    if passed and check.measures:
        # What it left, or else printed.
        result['measured'] = json.loads(
            check.leaves.read_text() if check.leaves else said
        )
    if not passed:
        result['output'] = (said[-_KEPT:] + errors[-_KEPT:]).strip()
    return result


def same_subnet(folder: Path) -> bool:
    """Whether the resumed search ended with the subnet of the one that was not
    interrupted. Kernels that add in no fixed order may let it differ."""
    files = [
        folder / name / 'DMCP_SUBNET_DIGITS.yaml'
        for name in ('search', 'search-resumed')
    ]
    if not all(file.exists() for file in files):
        return False
    first, second = (file.read_text().partition('units:')[2] for file in files)
    return first == second


def machine(device: str) -> dict:
    """What it ran on."""
    about = dict(torch=torch.__version__, python=platform.python_version())
    if device == 'cuda':
        about.update(gpu=torch.cuda.get_device_name(), cuda=torch.version.cuda)
    return about


def main() -> int:
    """Run all checks; 1 if one failed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--out', type=Path, default=Path('work_dirs/gpu/gpu.json'))
    parser.add_argument('--work-dir', type=Path, default=Path('work_dirs/gpu'))
    parser.add_argument(
        '--device', choices=('cuda', 'cpu'), default='cuda', help='cpu: try the script'
    )
    parser.add_argument('--only', nargs='+', help='checks whose names begin so')
    parser.add_argument('--epochs', type=int, default=4, help='on the digits')
    parser.add_argument('--size', type=int, default=224, help='of a step, in pixels')
    parser.add_argument('--batch', type=int, default=64, help='of a step')
    parser.add_argument('--rounds', type=int, default=7)
    parser.add_argument('--minutes', type=float, default=10, help='for all of it')
    args = parser.parse_args()
    if args.device == 'cuda' and not torch.cuda.is_available():
        print('no GPU here: nothing to measure')
        return 0
    folder = args.work_dir.resolve()
    plan = Plan(folder, args.device, args.epochs, args.size, args.batch, args.rounds)
    end = time.perf_counter() + 60 * args.minutes
    report: dict = dict(machine=machine(args.device), checks={})
    for check in plan:
        if args.only and not check.name.startswith(tuple(args.only)):
            continue
        result = report['checks'][check.name] = run(check, end - time.perf_counter())
        word = 'ok' if result['passed'] else 'FAILED'
        print(f'{word:6} {result["seconds"]:6.1f} s  {check.name}', flush=True)
        if not result['passed']:
            print(result['output'], flush=True)
        report['resumed_like_uninterrupted'] = same_subnet(folder)
        args.out.parent.mkdir(parents=True, exist_ok=True)
        args.out.write_text(json.dumps(report, indent=1) + '\n')
    return int(not all(result['passed'] for result in report['checks'].values()))


if __name__ == '__main__':
    sys.exit(main())
