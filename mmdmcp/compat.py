"""What mmrazor 1.0 and mmengine 0.10 lack on today's torch.

The only file that knows. Each entry says what is missing, why, and since
when; each does nothing where the thing exists. Remove an entry when the
oldest supported release of the package no longer needs it.
"""

import functools
from pickle import UnpicklingError
from typing import Any

import torch

from .errors import CheckpointError
from .files import GONE, atomic_file, why_not_a_file
from .shipped import SCOPE, locate, missing


def repair_mmengine() -> None:
    """Repair what a run needs: its checkpoints, its files.

    Called where a run or a model of this package begins, not on import: a
    process that only has the package installed keeps its mmengine as it is.
    Calling it again does nothing.
    """
    allow_containers()
    _resume_runs_no_code()
    _urls_run_no_code()
    _atomic_local_files()


def repair_mmrazor() -> None:
    """Let ``mmrazor.models`` import.

    mmrazor 1.0 imports names of ``torch.ao.quantization`` that torch 2.0
    removed. Its quantisation is not used here, so the stand-ins raise when
    they are used rather than quietly do something else.
    """
    try:
        import torch.ao.quantization.backend_config.utils  # noqa: F401
        import torch.ao.quantization.fuser_method_mappings as fusers
        from torch.ao.quantization.backend_config import BackendPatternConfig
    except ImportError:  # pragma: no cover - torch without quantisation
        return
    for name in ('reverse2', 'reverse3', 'reverse_sequential_wrapper2'):
        if not hasattr(fusers, name):
            setattr(fusers, name, _removed(name))
    # mmrazor calls these three while it is imported, to describe backends
    # that pruning never uses; returning the config itself is enough.
    for name in (
        '_set_overwrite_output_fake_quantize',
        '_set_overwrite_output_observer',
        '_set_input_output_observed',
    ):
        if not hasattr(BackendPatternConfig, name):
            setattr(BackendPatternConfig, name, lambda self, *_: self)


def _removed(name: str):
    """A stand-in for a function factory that went away with torch 2.

    mmrazor calls the factories while it is imported; only what they return
    would do the work, so that is what raises.
    """

    def factory(*_):

        def missing(*args, **kwargs):
            raise NotImplementedError(
                f'torch.ao.quantization.fuser_method_mappings.{name} was '
                "removed in torch 2.0; mmrazor's quantisation needs torch "
                '1.13'
            )

        return missing

    return factory


@functools.cache
def allow_containers() -> None:
    """Let mmengine resume its own checkpoints.

    torch 2.6 loads with ``weights_only=True``. mmengine 0.10 stores its
    message hub in checkpoints: these plain containers of numbers are added
    to the allow-list, nothing else.
    """
    import numpy as np
    from mmengine.logging.history_buffer import HistoryBuffer

    reconstruct: Any = np.array(0).__reduce__()[0]
    scalar: Any = np.float64(0).__reduce__()[0]
    dtypes = [type(np.dtype(code)) for code in 'fdeilqhbBHILQ?']
    torch.serialization.add_safe_globals(
        [HistoryBuffer, np.ndarray, np.dtype, reconstruct, scalar, *dtypes]
        + [(f, f'numpy.core.multiarray.{f.__name__}') for f in (reconstruct, scalar)]
        + [
            (_history_method, f'{module}.getattr')
            for module in ('__builtin__', 'builtins')
        ]
    )


def _history_method(owner: type, name: str):
    """All that ``getattr`` may do in a checkpoint.

    A pickled ``HistoryBuffer`` refers to four of its own methods, through
    ``getattr``, which as such must not be allowed.
    """
    from mmengine.logging.history_buffer import HistoryBuffer

    if owner is HistoryBuffer and name in ('min', 'max', 'current', 'mean'):
        return getattr(HistoryBuffer, name)
    raise UnpicklingError(f'a checkpoint asks for {name!r} of {owner!r}')


def _resume_runs_no_code() -> None:
    """Resume from a checkpoint without executing the config inside it.

    mmengine 0.10 parses ``checkpoint['meta']['config']`` as a Python file
    when it resumes, to look for a legacy key. Parsing executes it, so a
    checkpoint from somebody else could run anything. It is dropped first.
    """
    from mmengine.runner import Runner

    if getattr(Runner.load_checkpoint, 'runs_no_code', False):
        return
    load = Runner.load_checkpoint

    @functools.wraps(load)
    def load_checkpoint(self, *args, **kwargs):
        checkpoint = load(self, *args, **kwargs)
        if isinstance(checkpoint, dict) and isinstance(checkpoint.get('meta'), dict):
            checkpoint['meta'].pop('config', None)
        return checkpoint

    vars(load_checkpoint)['runs_no_code'] = True
    Runner.load_checkpoint = load_checkpoint


def _urls_run_no_code() -> None:
    """Load checkpoints behind a URL as files are loaded.

    mmengine 0.10 downloads with ``torch.hub``, which unpickles whatever it
    gets. All of mmengine's schemes that download go through this name.
    """
    import mmengine.runner.checkpoint as loaders

    from .checkpoints.read import load_url

    loaders.load_url = load_url


def _atomic_local_files() -> None:
    """Write local files, checkpoints above all, whole or not at all, and
    read nothing but files.

    mmengine 0.10 opens the final path and writes into it; a killed process
    or a full disk leaves half a checkpoint under a good one's name. It opens
    whatever has the name of an image, and waits for ever if that is a pipe.
    """
    from mmengine.fileio import LocalBackend

    if getattr(LocalBackend.put, 'atomic', False):
        return
    read = LocalBackend.get

    @functools.wraps(read)
    def get(self, filepath) -> bytes:
        problem = why_not_a_file(filepath)
        if problem not in (None, GONE):  # a missing file has an error of its own
            raise OSError(f"{filepath} can't be read: {problem}")
        return read(self, filepath)

    def put(self, obj: bytes, filepath) -> None:
        try:
            with atomic_file(filepath) as file:
                file.write(obj)
        except OSError as error:
            raise CheckpointError(
                f"{filepath} can't be written: {error}. What was there "
                'before is untouched. Make room, or choose another '
                '--work-dir, then go on with --resume'
            ) from error

    vars(put)['atomic'] = True
    LocalBackend.put = put
    LocalBackend.get = get


def shipped_bases() -> None:
    """Let configs build on ours: ``_base_ = 'mmdmcp::pruning/dmcp/x.py'``.

    mmengine 0.10 has a fixed list of the packages that may be named so, and
    looks into an installation's ``.mim`` only, which a checkout lacks.
    """
    from mmengine.config import Config
    from mmengine.config.utils import MODULE2PACKAGE

    MODULE2PACKAGE['mmdmcp'] = 'mmdmcp'
    if getattr(Config._get_cfg_path, 'finds_ours', False):
        return
    find = Config._get_cfg_path

    @functools.cache
    def find_once(cfg_path: str):
        """Of another package; it reads some 80 files each time."""
        return find(cfg_path, '')

    def get_cfg_path(cfg_path: str, filename: str):
        if '::' not in cfg_path:
            return find(cfg_path, filename)
        if not cfg_path.startswith(SCOPE):
            return find_once(cfg_path)
        file = locate(cfg_path)
        if file is None:
            raise missing(cfg_path, 'config')
        # No scope of its own: its types are those of its default_scope.
        return str(file), None

    vars(get_cfg_path)['finds_ours'] = True
    Config._get_cfg_path = staticmethod(get_cfg_path)
