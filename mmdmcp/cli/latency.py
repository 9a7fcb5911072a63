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
        '--profile',
        metavar='LATENCY.yaml',
        help='also print what this file of mmdmcp profile predicts',
    )
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
    from ..deploy.predicted import predict, require_same
    from ..deploy.timing import usable_device
    from ..latency import Profile

    usable_device(args.device)
    profile = Profile.load(args.profile) if args.profile else None
    if profile is not None:
        require_same(profile, args.device, args.batch, args.threads)
    pair = load_pair(args.config, args.subnet, args.cfg_options)
    shape = args.input_shape or pair.subnet.cost['input_shape']
    predicted = {}
    if profile is not None:
        runtime = dict(pytorch='PyTorch').get(profile.conditions.runtime, 'onnxruntime')
        predicted[runtime] = predict(profile, pair.build_full(), pair.subnet, shape)
    nets = {
        'full': pair.build_full().to(args.device),
        'pruned': pair.build_pruned().to(args.device),
    }
    found = measure(
        nets, shape, args.batch, args.threads, args.seconds, not args.no_onnx
    )
    print(report(nets, shape, found, args.batch, args.threads, predicted))
    if args.out:
        save(args.out, nets, shape, found, args.batch, args.threads)
