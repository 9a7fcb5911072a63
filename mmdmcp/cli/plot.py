"""``mmdmcp plot`` and ``tools/plot_subnet.py``."""

import argparse
from pathlib import Path

from ..errors import ConfigError, first_line
from ..shipped import require
from . import report_errors
from .compare import distinct_labels


def main(argv: list[str] | None = None) -> int:
    """Draw subnet files side by side; return the exit code."""
    parser = argparse.ArgumentParser(
        description='Draw how many channels each unit of a subnet keeps; '
        'several subnets of one network side by side.'
    )
    parser.add_argument(
        'subnets', nargs='+', help='DMCP_SUBNET*.yaml; shipped ones by their name too'
    )
    parser.add_argument(
        '-o',
        '--out',
        help='picture to write (.png, .pdf, .svg); by default '
        'beside the first file, with .png at the end (of a shipped one in the '
        'working directory)',
    )
    args = parser.parse_args(argv)
    return report_errors(lambda: _plot(args.subnets, args.out))


def _plot(names: list[str], out: str | None) -> None:
    paths = require(names, 'subnet file')
    from ..report.plots import plot_widths
    from ..subnet import Subnet

    subnets = [Subnet.load(path) for path in paths]
    beside = Path(names[0]).with_suffix('.png')
    picture = Path(out or (beside if Path(names[0]).exists() else beside.name))
    try:
        plot_widths(subnets, distinct_labels(list(map(str, paths))), picture)
    except (OSError, ValueError) as error:
        raise ConfigError(
            f"--out {picture} can't be written: {first_line(error)}. Name a "
            '.png, .pdf or .svg in a folder that exists'
        ) from error
    print(f'wrote {picture}')
