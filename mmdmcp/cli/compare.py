"""``mmdmcp compare``: subnets of one network side by side."""

import argparse

from ..errors import ConfigError, first_line
from ..shipped import require
from . import report_errors


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(
        description='Compare subnets of one network: what they cost, and which '
        'channels they keep.'
    )
    parser.add_argument('subnets', nargs='+', help='DMCP_SUBNET*.yaml, at least two')
    parser.add_argument('-o', '--out', help='also write a page, .html')
    args = parser.parse_args(argv)
    if len(args.subnets) < 2:
        parser.error('give at least two subnet files; mmdmcp plot draws one')
    return args


def main(argv: list[str] | None = None) -> int:
    """Run the command; return its exit code."""
    args = parse_args(argv)
    return report_errors(lambda: _compare(args))


def _compare(args: argparse.Namespace) -> None:
    paths = [str(path) for path in require(args.subnets, 'subnet file')]
    from ..report.compare import comparison_table, write_comparison
    from ..subnet import Subnet

    subnets = [Subnet.load(path) for path in paths]
    labels = distinct_labels(paths)
    print(comparison_table(subnets, labels))
    if args.out:
        try:
            write_comparison(subnets, labels, args.out)
        except OSError as error:
            raise ConfigError(
                f"--out {args.out}: can't be written ({first_line(error)}); name a "
                'file in a folder that may be written to'
            ) from error
        print(f'wrote {args.out}')


def distinct_labels(paths: list[str]) -> list[str]:
    """Stems of files; whole paths where two stems are the same."""
    from pathlib import Path

    stems = [Path(path).stem for path in paths]
    return stems if len(set(stems)) == len(stems) else list(paths)
