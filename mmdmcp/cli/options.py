"""Options that the commands share."""

import argparse
import os
import re
from typing import Any

from mmengine.config import DictAction

from ..errors import CheckpointError
from ..shipped import require

#: Of a model whose config names no other.
DEFAULT_SHAPE = (3, 224, 224)

_SPACE = '\0'  # no argument of a command can hold it


class CfgOptions(DictAction):
    """``--cfg-options KEY=VALUE ...``, as MMEngine reads it.

    Two differences: spaces in a plain value, or inside quotes, are kept, since
    paths have them, and an option without ``=`` is an error that says so.
    """

    def __call__(self, parser, namespace, values, option_string=None):
        for value in values:
            if '=' not in value:
                parser.error(f'{option_string}: {value!r} is not KEY=VALUE')
        try:
            super().__call__(parser, namespace, values, option_string)
        except AssertionError as error:  # a bracket without its other half
            parser.error(f'{option_string}: {error}')

    @staticmethod
    def _parse_iterable(val: str):
        if ' ' in val and not any(mark in val for mark in ',[('):
            return val
        # MMEngine's removes them.
        kept = re.sub(r'([\'"]).*?\1', lambda m: m[0].replace(' ', _SPACE), val)
        return _with_spaces(DictAction._parse_iterable(kept))


def _with_spaces(value: Any) -> Any:
    if isinstance(value, (list, tuple)):
        return type(value)(map(_with_spaces, value))
    return value.replace(_SPACE, ' ') if isinstance(value, str) else value


def add_cfg_options(parser: argparse.ArgumentParser) -> None:
    """Add ``--cfg-options``."""
    parser.add_argument(
        '--cfg-options',
        nargs='+',
        action=CfgOptions,
        metavar='KEY=VALUE',
        help='settings of the config to override: a.b=1, a.list="[1,2]", '
        'a.list.0.key=x',
    )


def add_pair_options(parser: argparse.ArgumentParser) -> None:
    """Add what says which full and pruned network a command is about."""
    parser.add_argument(
        'config', help='config of the pruned model, or of the full one with --subnet'
    )
    parser.add_argument('--subnet', help='subnet file, if the config has none')
    add_input_shape(parser, 'the one in the subnet file')
    add_cfg_options(parser)


def add_model_choice(parser: argparse.ArgumentParser, config: str) -> None:
    """Add a config, or ``--model`` in place of it.

    Args:
        parser: The command's.
        config: What the config is of.
    """
    which = parser.add_mutually_exclusive_group(required=True)
    which.add_argument('config', nargs='?', help=config)
    which.add_argument('--model', metavar='torchvision:NAME', help='a model instead')


def add_input_shape(parser: argparse.ArgumentParser, default: str) -> None:
    """Add ``--input-shape``.

    Args:
        parser: The command's.
        default: What is taken without it, in words.
    """
    parser.add_argument(
        '--input-shape',
        type=int,
        nargs=3,
        metavar=('C', 'H', 'W'),
        help=f'input size; by default {default}',
    )


def add_common_options(parser: argparse.ArgumentParser) -> None:
    """Add the options that OpenMMLab's train and test scripts share."""
    parser.add_argument(
        '--work-dir',
        help='folder for logs, checkpoints and results; '
        './work_dirs/<name of the config> by default',
    )
    add_cfg_options(parser)
    parser.add_argument(
        '--launcher',
        choices=['none', 'pytorch', 'slurm', 'mpi'],
        default='none',
        help='what started the processes; none for a single one',
    )
    # Given by torch.distributed.launch; torchrun sets LOCAL_RANK instead.
    parser.add_argument(
        '--local_rank', '--local-rank', type=int, help=argparse.SUPPRESS
    )
    parser.add_argument(
        '--debug',
        action='store_true',
        help='print the traceback of every error (MMDMCP_DEBUG=1 does too)',
    )


def apply_common_options(args: argparse.Namespace) -> None:
    """Hand on what is not an argument of the Python functions."""
    if args.local_rank is not None:
        os.environ.setdefault('LOCAL_RANK', str(args.local_rank))
    if args.debug:
        os.environ['MMDMCP_DEBUG'] = '1'


def require_pair(args: argparse.Namespace) -> None:
    """Raise if a file of :func:`add_pair_options` is not there."""
    require([args.config], 'config')
    require([args.subnet] if args.subnet else [], 'subnet file')


def require_checkpoint(path: str, asked_by: str) -> None:
    """Raise if there is no checkpoint, before seconds go by on imports.

    Raises:
        CheckpointError: Naming the option and the path.
    """
    if '://' not in path and not os.path.exists(os.path.expanduser(path)):
        raise CheckpointError(
            f'{asked_by}: there is no checkpoint at {os.path.abspath(path)}. Name '
            'one that is there'
        )
