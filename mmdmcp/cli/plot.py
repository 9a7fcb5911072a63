"""``mmdmcp plot`` and ``tools/plot_subnet.py``."""

import argparse
from pathlib import Path

from ..errors import ConfigError, first_line
from ..report.plots import plot_widths
from ..subnet import Subnet
from . import report_errors
from .compare import distinct_labels


def main(argv: list[str] | None = None) -> int:
    """Draw subnet files side by side; return the exit code."""
    parser = argparse.ArgumentParser(
        description='Draw how many channels each unit of a subnet keeps; '
        'several subnets of one network side by side.'
    )
    parser.add_argument('subnets', nargs='+', help='DMCP_SUBNET*.yaml')
    parser.add_argument(
        '-o',
        '--out',
        help='picture to write (.png, .pdf, .svg); by default '
        'beside the first file, with .png at the end',
    )
    args = parser.parse_args(argv)
    out = Path(args.out or Path(args.subnets[0]).with_suffix('.png'))

    def run() -> None:
        subnets = [Subnet.load(path) for path in args.subnets]
        try:
            plot_widths(subnets, distinct_labels(args.subnets), out)
        except (OSError, ValueError) as error:
            raise ConfigError(
                f"--out {out} can't be written: {first_line(error)}. Name a "
                '.png, .pdf or .svg in a folder that exists'
            ) from error
        print(f'wrote {out}')

    return report_errors(run)
