"""``mmdmcp test`` and ``tools/test.py``."""

import argparse

from ..shipped import require
from . import report_errors
from .options import add_common_options, apply_common_options, require_checkpoint


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(
        description='Test a checkpoint as a config describes.'
    )
    parser.add_argument('config', help='path of the config')
    parser.add_argument('checkpoint', help='path or URL of the checkpoint')
    parser.add_argument(
        '--out',
        '--dump',
        metavar='FILE',
        help='write the metrics to FILE.json, or the predictions to FILE.pkl',
    )
    add_common_options(parser)
    return parser.parse_args(argv)


def main(argv: list[str] | None = None) -> int:
    """Run the command; return its exit code."""
    args = parse_args(argv)
    apply_common_options(args)

    def run() -> None:
        require([args.config], 'config')
        require_checkpoint(args.checkpoint, 'checkpoint')
        from ..apis import test

        test(
            args.config,
            args.checkpoint,
            work_dir=args.work_dir,
            out=args.out,
            cfg_options=args.cfg_options,
            launcher=args.launcher,
        )

    return report_errors(run)
