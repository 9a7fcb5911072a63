"""Peak memory of training steps, each kind in a process of its own.

    python benchmarks/memory.py search --model resnet50 --size 64 --batch 8
"""
import argparse
import subprocess
import sys
from pathlib import Path

import torch


def peak(kind: str, args: argparse.Namespace) -> int:
    """Peak bytes of training beyond what importing takes.

    Args:
        kind: ``'plain'`` or ``'search'``.
        args: Options of the benchmark.
    """
    command = [sys.executable, __file__, kind]
    for key in ('model', 'size', 'batch', 'threads', 'device'):
        command += [f'--{key}', str(getattr(args, key))]
    done = subprocess.run(
        command, capture_output=True, text=True, check=True)
    return int(done.stdout.split()[-1])


def main() -> None:
    """Measure one kind and print the bytes."""
    parser = argparse.ArgumentParser()
    parser.add_argument('kind', choices=('plain', 'search'))
    parser.add_argument('--model', required=True)
    for key in ('size', 'batch', 'threads'):
        parser.add_argument(f'--{key}', type=int, required=True)
    parser.add_argument('--device', default='cpu')
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    import models
    from pieces import Search, plain_step
    data = models.batch(args.size, args.batch, args.device)
    # Imported by searches alone; no memory of training.
    import mmrazor.models.task_modules  # noqa: F401
    before = _now(args.device)
    if args.kind == 'plain':
        model = models.build(args.model, args.device)
        wrapper = models.optimiser(model)
        steps = [lambda: plain_step(model, data, wrapper)]
    else:
        search = Search(args.model, args.size, data, args.device)
        steps = [search.stage1, search.stage2]
    if args.device == 'cpu':  # building is no training
        Path('/proc/self/clear_refs').write_text('5')
    else:
        torch.cuda.reset_peak_memory_stats()
    for _ in range(3):
        for step in steps:
            step()
    print(_peak(args.device) - before)


def _status(key: str) -> int:
    for line in Path('/proc/self/status').read_text().splitlines():
        if line.startswith(key):
            return int(line.split()[1]) * 1024
    raise RuntimeError(f'no {key} in /proc/self/status: memory can only be '
                       'measured on Linux')


def _now(device: str) -> int:
    return _status('VmRSS') if device == 'cpu' else \
        torch.cuda.memory_allocated()


def _peak(device: str) -> int:
    return _status('VmHWM') if device == 'cpu' else \
        torch.cuda.max_memory_allocated()


if __name__ == '__main__':
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
    main()
