"""``mmdmcp convert`` and ``tools/convert_subnet.py``."""

import argparse
from pathlib import Path

from ..shipped import require
from . import report_errors
from .options import add_cfg_options


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(
        description='Convert a subnet file of mmrazor (.json) to a '
        'DMCP_SUBNET*.yaml, or the other way round.'
    )
    parser.add_argument('file', help='.json of mmrazor, or .yaml of mmdmcp')
    parser.add_argument('out', help='file to write, .yaml or .json: the other kind')
    parser.add_argument(
        '--config',
        help="config of the model that was searched; needed to read mmrazor's"
        ' files, which do not say which layers belong to a unit',
    )
    parser.add_argument(
        '--input-shape',
        type=int,
        nargs=3,
        default=(3, 224, 224),
        metavar=('C', 'H', 'W'),
        help='size that the cost in the file is counted at; 3 224 224 by default',
    )
    add_cfg_options(parser)
    return parser.parse_args(argv)


def main(argv: list[str] | None = None) -> int:
    """Run the command; return its exit code."""
    args = parse_args(argv)
    return report_errors(lambda: _convert(args))


def _convert(args: argparse.Namespace) -> None:
    (file,) = require([args.file], 'subnet file')
    require([args.config] if args.config else [], 'config')
    from ..errors import ConfigError
    from ..subnet import Subnet
    from ..subnet.convert import from_mmrazor, read_mmrazor, write_mmrazor

    kinds = Path(args.file).suffix, Path(args.out).suffix
    if kinds == ('.yaml', '.json'):
        subnet = Subnet.load(file)
        write_mmrazor(subnet, args.out)
    elif kinds == ('.json', '.yaml'):
        if args.config is None:
            raise ConfigError(
                "--config is missing: mmrazor's files do not "
                'say which layers belong to a unit'
            )
        from ..deploy.models import full_model
        from ..supernet import Supernet

        units = read_mmrazor(file)
        supernet = Supernet(full_model(args.config, args.cfg_options), args.input_shape)
        subnet = from_mmrazor(units, supernet)
        subnet.save(args.out)
    else:
        raise ConfigError(
            f'{args.file} to {args.out}: one must end with '
            '.json (mmrazor), the other with .yaml (mmdmcp)'
        )
    cost = subnet.cost
    print(
        f'{args.out}: {len(subnet.units)} units, {cost["macs"]:,} '
        f'multiply-accumulates at '
        f'{"x".join(map(str, cost["input_shape"]))}, '
        f'{cost["params"]:,} parameters'
    )
