"""``mmdmcp report``: a page about a run."""

import argparse

from ..errors import ConfigError, first_line
from . import report_errors


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(
        description='Write one HTML file about a search: before and after, widths, '
        'where the cost was saved, candidates, curves, and how it was made.'
    )
    parser.add_argument('work_dir', help='work dir of the search')
    parser.add_argument(
        '-o',
        '--out',
        help='file to write; WORK_DIR/report.html by default. Its pictures go into '
        'a folder beside it, as PNG and SVG',
    )
    parser.add_argument(
        '--trained',
        action='append',
        default=[],
        metavar='LABEL=DIR',
        help='add the metrics of another run, such as the retrained or the full '
        'network, by its work dir; may be repeated',
    )
    args = parser.parse_args(argv)
    for value in args.trained:
        if not all(value.partition('=')):
            parser.error(f'--trained: {value!r} is not LABEL=DIR')
    return args


def main(argv: list[str] | None = None) -> int:
    """Run the command; return its exit code."""
    args = parse_args(argv)
    return report_errors(lambda: _report(args))


def _report(args: argparse.Namespace) -> None:
    from pathlib import Path

    from ..report.run_folder import last_metrics
    from ..report.run_report import write_report

    pairs = [value.partition('=') for value in args.trained]
    trained = {label: last_metrics(Path(folder)) for label, _, folder in pairs}
    try:
        print(f'wrote {write_report(args.work_dir, args.out, trained)}')
    except OSError as error:
        raise ConfigError(
            f"--out {args.out or args.work_dir}: can't be written "
            f'({first_line(error)}); name a file in a folder that may be written to'
        ) from error
