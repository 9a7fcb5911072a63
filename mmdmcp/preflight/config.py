"""Read a config and lay the command line's options over it."""

import inspect
import os.path as osp
from collections.abc import Mapping
from pathlib import Path

from mmengine.config import Config, ConfigDict
from mmengine.config.utils import ConfigParsingError
from mmengine.runner import Runner

from ..compat import shipped_bases
from ..errors import ConfigError
from ..files import why_not_a_file
from ..options import did_you_mean
from ..shipped import locate, missing
from ..walk import is_type, nodes, type_name

_EXACT_LOOP = 'mmdmcp.ResumableTrainLoop'
#: What MMEngine's Runner reads from a config: its own arguments, and these.
RUNNER_KEYS = {
    *inspect.signature(Runner.__init__).parameters,
    'activation_checkpointing',
    'compile',
    'efficient_conv_bn_eval',
    'find_unused_parameters',
    'model_wrapper_cfg',
    'runner_type',
    'sync_bn',
} - {'self', 'cfg'}


def load_config(path: str, options: Mapping | None = None) -> Config:
    """Load a config file and override some of its settings.

    Args:
        path (str): The file. A path that doesn't exist is looked for among
            the configs that come with the package as well.
        options (Mapping, optional): New values by dotted key, as
            ``--cfg-options`` gives them.

    Raises:
        ConfigError: If the file is missing or can't be read, or an option
            is misspelt.
    """
    shipped_bases()
    file = _find(path)
    try:
        cfg = Config.fromfile(str(file))
        # What a pure-Python config imports is imported when it is met.
        for _ in nodes(cfg):
            pass
    except (OSError, SyntaxError, ImportError, ConfigParsingError) as error:
        raise ConfigError(f'config {file}: {error}') from error
    if 'model' not in cfg:
        raise ConfigError(
            f'config {file} has no `model`: it is a base for '
            'others, or not a config of a run'
        )
    if options:
        _check_options(cfg, options)
        cfg.merge_from_dict(dict(options))
    return cfg


def set_work_dir(cfg: Config, work_dir: str | None) -> None:
    """The option, else what the config says, else one of the config's name."""
    if work_dir is not None:
        cfg.work_dir = str(work_dir)
    elif cfg.get('work_dir') is None:
        cfg.work_dir = osp.join('./work_dirs', Path(cfg.filename).stem)


def set_loader_defaults(cfg: Config, cuda: bool) -> None:
    """What OpenMMLab's own train scripts set for data loaders.

    mmpretrain's configs count on samples being stacked in the workers; the
    other packages' samples can't be stacked. Workers live on between epochs,
    except those of training in a loop that resumes exactly: what they draw
    must depend on the epoch alone.
    """
    exact = is_type((cfg.get('train_cfg') or {}).get('type'), _EXACT_LOOP)
    for name in ('train_dataloader', 'val_dataloader', 'test_dataloader'):
        loader = cfg.get(name)
        if not isinstance(loader, dict):
            continue
        stay = not (exact and name == 'train_dataloader')
        if cfg.get('default_scope') == 'mmpretrain' or _packs_as_mmpretrain(loader):
            loader.setdefault('collate_fn', ConfigDict(type='default_collate'))
            loader.setdefault('pin_memory', True)
            loader.setdefault('persistent_workers', stay)
        if not cuda:
            loader['pin_memory'] = False
        if not loader.get('num_workers', 0):
            loader['persistent_workers'] = False  # torch refuses it otherwise


def _packs_as_mmpretrain(loader: Mapping) -> bool:
    """Whether a loader's samples are mmpretrain's, in a config without scope."""
    return any(
        is_type(part.get('type'), 'mmpretrain.PackInputs') for _, part in nodes(loader)
    )


def check_loop(cfg: Config) -> list[str]:
    """A notice for a training loop that can't be interrupted anywhere."""
    loop = cfg.get('train_cfg') or {}
    if is_type(loop.get('type'), _EXACT_LOOP):
        return []
    kind = type_name(loop.get('type')) or "MMEngine's own loop"
    return [
        f'train_cfg: {kind} writes no checkpoint when it is stopped by '
        'SIGTERM or Ctrl-C, so --resume repeats what came after the last '
        f"one. For a run of epochs, train_cfg.type='{_EXACT_LOOP}' "
        'does write one, and nothing is repeated'
    ]


def check_kept(cfg: Config) -> list[str]:
    """A notice for a run that has no checkpoint while it writes one."""
    hook = (cfg.get('default_hooks') or {}).get('checkpoint') or {}
    if hook.get('max_keep_ckpts') != 1:
        return []
    return [
        'default_hooks.checkpoint.max_keep_ckpts=1: MMEngine deletes the last '
        'checkpoint before it writes the next, so a full disk or a kill '
        'between leaves none. Keep 2 to lose nothing'
    ]


def _find(path: str) -> Path:
    file = locate(path)
    if file is None:
        raise missing(path, 'config')
    problem = why_not_a_file(file)
    if problem is not None:
        raise ConfigError(f'{file} is no config: {problem}')
    return file


def _check_options(cfg: Config, options: Mapping) -> None:
    """Find misspelt keys, which would otherwise be added and never read."""
    for option in options:
        top, *inner = option.split('.')
        if top not in cfg and top not in RUNNER_KEYS:
            raise ConfigError(
                f'--cfg-options {option}: the config has no `{top}`.'
                + did_you_mean(top, {*cfg, *RUNNER_KEYS})
            )
        node = cfg.get(top)
        # The last key may be new, and so may a branch: that is how an option
        # gets its first value. A key that is almost an existing one is not
        # new but misspelt.
        for name in inner[:-1]:
            if not isinstance(node, Mapping):
                break
            if name not in node:
                hint = did_you_mean(name, map(str, node), cutoff=0.8)
                if hint:
                    raise ConfigError(
                        f'--cfg-options {option}: there is no `{name}`.{hint}'
                    )
            node = node.get(name)
