"""``mmdmcp train`` and ``tools/train.py``."""

import argparse
import os

from ..shipped import require
from . import report_errors
from .options import add_common_options, apply_common_options, require_checkpoint

_KERNELS = 20_000


def keep_kernels() -> None:
    """Have oneDNN keep kernels prepared for thousands of shapes.

    Its own 1,024 are those of a few networks, and a search on a CPU draws new
    widths all the time. It reads this once, when torch first computes.
    """
    os.environ.setdefault('ONEDNN_PRIMITIVE_CACHE_CAPACITY', str(_KERNELS))


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(
        description='Train a model, or search for one, as a config describes.'
    )
    parser.add_argument('config', help='path of the config')
    parser.add_argument(
        '--resume',
        nargs='?',
        const='auto',
        metavar='CHECKPOINT',
        help='go on from this checkpoint; without one, from the latest in '
        'the work dir, or from the start if there is none',
    )
    parser.add_argument(
        '--amp',
        action='store_true',
        help='automatic mixed precision: float16 on GPUs, bfloat16 on CPU',
    )
    parser.add_argument(
        '--channels-last',
        action='store_true',
        help='train in the layout that convolutions prefer; pays with --amp',
    )
    parser.add_argument(
        '--no-validate', action='store_true', help='do not validate during training'
    )
    parser.add_argument(
        '--auto-scale-lr',
        action='store_true',
        help='scale the learning rates by the ratio of the batch size to '
        'auto_scale_lr.base_batch_size',
    )
    add_common_options(parser)
    return parser.parse_args(argv)


def main(argv: list[str] | None = None) -> int:
    """Run the command; return its exit code."""
    args = parse_args(argv)
    keep_kernels()
    apply_common_options(args)

    def run() -> None:
        require([args.config], 'config')
        if args.resume not in (None, 'auto'):
            require_checkpoint(args.resume, '--resume')
        from ..apis import train

        train(
            args.config,
            work_dir=args.work_dir,
            resume=args.resume,
            amp=args.amp,
            channels_last=args.channels_last,
            validate=not args.no_validate,
            auto_scale_lr=args.auto_scale_lr,
            cfg_options=args.cfg_options,
            launcher=args.launcher,
        )

    return report_errors(run)
