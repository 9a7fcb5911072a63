"""``mmdmcp latency`` and ``tools/measure_latency.py``."""

import argparse

from . import report_errors
from .options import add_pair_options, require_pair


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(
        description='Measure the full and the pruned network side by side, '
        'in PyTorch and, where it is installed, onnxruntime.'
    )
    add_pair_options(parser)
    parser.add_argument(
        '--batch', type=int, default=1, help='images per run; 1 by default'
    )
    parser.add_argument(
        '--threads', type=int, default=1, help='threads on the CPU; 1 by default'
    )
    parser.add_argument(
        '--seconds',
        type=float,
        default=5.0,
        help='time for each network and runtime; 5 by default',
    )
    parser.add_argument(
        '--device', default='cpu', help='cpu, cuda, cuda:1; cpu by default'
    )
    parser.add_argument('--no-onnx', action='store_true', help='leave onnxruntime out')
    parser.add_argument(
        '--out',
        metavar='FILE.json',
        help='also write the times, as latency.json in the work dir of the search: '
        'mmdmcp report shows them',
    )
    args = parser.parse_args(argv)
    for name in ('batch', 'threads', 'seconds'):
        if getattr(args, name) <= 0:
            parser.error(f'--{name} must be above 0')
    return args


def main(argv: list[str] | None = None) -> int:
    """Run the command; return its exit code."""
    args = parse_args(argv)
    return report_errors(lambda: _latency(args))


def _latency(args: argparse.Namespace) -> None:
    require_pair(args)
    from ..deploy import load_pair
    from ..deploy.latency import measure, report, save

    _check_device(args.device)
    pair = load_pair(args.config, args.subnet, args.cfg_options)
    nets = {
        'full': pair.build_full().to(args.device),
        'pruned': pair.build_pruned().to(args.device),
    }
    shape = args.input_shape or pair.subnet.cost['input_shape']
    found = measure(
        nets, shape, args.batch, args.threads, args.seconds, not args.no_onnx
    )
    print(report(nets, shape, found, args.batch, args.threads))
    if args.out:
        save(args.out, nets, shape, found, args.batch, args.threads)


def _check_device(device: str) -> None:
    import torch

    from ..errors import ConfigError, first_line

    try:
        torch.zeros(1, device=device)
    except (AssertionError, RuntimeError) as error:
        raise ConfigError(
            f"--device {device} can't be used: {first_line(error)}. cpu can"
        ) from error
