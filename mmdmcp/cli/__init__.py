"""The command line: ``mmdmcp train CONFIG``, ``mmdmcp test CONFIG FILE``.

The same commands as the scripts of ``tools/``, for those who installed the
package and have no checkout.
"""

import errno
import os
import signal
import sys
import traceback
from collections.abc import Callable
from importlib import import_module
from typing import Optional

from .. import __version__
from ..errors import MmdmcpError

# Each is a module of this package with a function `main(argv) -> int`.
COMMANDS = {
    'train': 'train a model, or search for one, as a config describes',
    'test': 'test a checkpoint as a config describes',
    'inspect': 'show what of a model can be pruned, before anything is run',
    'sensitivity': 'narrow one unit after the other and show what a network loses',
    'convert': 'convert subnet files from and to mmrazor',
    'export': 'write a pruned model as ONNX and check it',
    'publish': 'write the weights of a checkpoint, for plain PyTorch',
    'profile': 'time the layers of a model, for latency as a target',
    'latency': 'time a pruned network beside the full one',
    'plot': 'draw which channels subnets keep',
    'report': 'write a page about a search, with tables and pictures',
    'compare': 'compare subnets of one network',
    'list': 'name the configs that come with the package',
}


def main(argv: list[str] | None = None) -> int:
    """Run a command; return its exit code."""
    argv = sys.argv[1:] if argv is None else argv
    if argv[:1] == ['--version']:
        print(__version__)
        return 0
    if argv[:1] in ([], ['-h'], ['--help']):
        print(_usage())
        return 0 if argv else 2
    if argv[0] not in COMMANDS:
        print(f'mmdmcp: unknown command {argv[0]!r}\n{_usage()}', file=sys.stderr)
        return 2
    # What argparse takes for the command's name; a script of tools/, which
    # calls the same functions, has its own there.
    sys.argv[0] = f'mmdmcp {argv[0]}'
    return import_module(f'.{argv[0]}', __name__).main(argv[1:])


def report_errors(command: Callable[[], object]) -> int:
    """Run a command; print errors that the package raises on purpose.

    They say what to do, so the traceback is left out, unless ``MMDMCP_DEBUG``
    is set. A full disk, which any line of a log may meet, is a line too.
    Other exceptions are bugs and pass through with theirs.

    Returns:
        int: Exit code: 0, 1, or 130 after Ctrl-C.
    """
    try:
        command()
    except MmdmcpError as error:
        if os.environ.get('MMDMCP_DEBUG', '0') not in ('', '0'):
            traceback.print_exc()
        rank = os.environ.get('RANK', os.environ.get('SLURM_PROCID', '0'))
        where = '' if rank == '0' else f'[rank {rank}] '
        print(f'{where}{type(error).__name__}: {error}', file=sys.stderr)
        return 1
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        print(
            f'{error}. Make room; a training goes on from its last '
            'checkpoint with --resume',
            file=sys.stderr,
        )
        return 1
    except KeyboardInterrupt:
        print(
            'stopped by Ctrl-C; a training goes on from its last checkpoint '
            'with --resume',
            file=sys.stderr,
        )
        return 128 + signal.SIGINT
    return 0


def _usage() -> str:
    lines = [f'  {name:12}{what}' for name, what in COMMANDS.items()]
    return '\n'.join(
        [
            'usage: mmdmcp COMMAND ...',
            '',
            *lines,
            '',
            'mmdmcp COMMAND --help tells more.',
        ]
    )
