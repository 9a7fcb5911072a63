"""Make a config that was written for GPUs run on what is there.

Configs name what only GPUs have: mixed precision with a gradient scaler,
SyncBN, device ids for DistributedDataParallel. On a node without a GPU each
is replaced by what does the same there, and the log says so.
"""

from collections.abc import Iterator
from typing import Any

from mmengine.config import Config, ConfigDict
from mmengine.registry import MODEL_WRAPPERS
from torch.nn.parallel import DistributedDataParallel

from ..errors import ConfigError
from ..walk import is_type, nodes, type_name

_WRAPPER = 'MMDistributedDataParallel'
_SYNC_BN = ('SyncBN', 'MMSyncBN', 'SyncBatchNorm')


def optim_wrappers(cfg: Config) -> Iterator[ConfigDict]:
    """The configs of the optimiser wrappers of a run.

    One, or with a constructor that builds several (a search has
    ``architecture`` and ``mutator``) each of these.
    """
    wrapper = cfg.get('optim_wrapper')
    if wrapper is None:
        return
    if 'optimizer' in wrapper or 'type' in wrapper:
        yield wrapper
        return
    for value in wrapper.values():
        if isinstance(value, dict):
            yield value


def enable_amp(cfg: Config) -> None:
    """Turn every optimiser wrapper into the mixed-precision one.

    Raises:
        ConfigError: If a wrapper is of another type than MMEngine's own,
            which only its author can replace.
    """
    for wrapper in optim_wrappers(cfg):
        kind = wrapper.get('type', 'OptimWrapper')
        if not is_type(kind, 'OptimWrapper', 'AmpOptimWrapper'):
            raise ConfigError(
                f'--amp replaces OptimWrapper, but optim_wrapper has type '
                f'{type_name(kind)!r}: remove --amp, or set the type in the config'
            )
        wrapper.type = 'AmpOptimWrapper'
        wrapper.setdefault('loss_scale', 'dynamic')


def turn_to_channels_last(cfg: Config) -> None:
    """Give the run the hook that turns its model, unless it has it, and in
    place of MMEngine's wrapper the one that turns it in time."""
    kind = 'mmdmcp.ChannelsLastHook'
    hooks = list(cfg.get('custom_hooks') or [])
    if not any(is_type(hook.get('type'), kind) for hook in hooks):
        cfg.custom_hooks = [*hooks, dict(type=kind)]
    wrapper = cfg.get('model_wrapper_cfg') or _default_wrapper(cfg)
    if is_type(wrapper.get('type', _WRAPPER), _WRAPPER):
        cfg.model_wrapper_cfg = {**wrapper, 'type': 'mmdmcp.ChannelsLastDistributed'}


def fit_to_cpu(cfg: Config) -> list[str]:
    """Replace what only GPUs have. Changes ``cfg``.

    Returns:
        list[str]: What was replaced, one sentence each, for the log.
    """
    notices = [_amp_to_bfloat16(cfg)]
    if cfg.get('launcher', 'none') != 'none':
        notices.append(_sync_bn_to_bn(cfg))
        _clear_device_ids(cfg)
    return [notice for notice in notices if notice]


def _amp_to_bfloat16(cfg: Config) -> str | None:
    replaced = False
    for wrapper in optim_wrappers(cfg):
        if is_type(wrapper.get('type'), 'AmpOptimWrapper'):
            for option in ('loss_scale', 'dtype', 'use_fsdp'):
                wrapper.pop(option, None)
            wrapper.type = 'mmdmcp.CPUAmpOptimWrapper'
            replaced = True
    if replaced:
        return (
            'No GPU: mixed precision uses bfloat16 on CPU, without a gradient scaler.'
        )
    return None


def _sync_bn_to_bn(cfg: Config) -> str | None:
    """torch's SyncBN runs on GPUs only."""
    norms: list[Any] = [
        node
        for _, node in nodes(cfg.get('model'))
        if is_type(node.get('type'), *_SYNC_BN)
    ]
    for norm in norms:
        norm['type'] = 'BN'
    if cfg.pop('sync_bn', None) or norms:
        return (
            'No GPU: SyncBN is replaced by BN, whose statistics are those '
            'of one process.'
        )
    return None


def _clear_device_ids(cfg: Config) -> None:
    """Keep the Runner from giving DDP a GPU that isn't there."""
    if cfg.get('model_wrapper_cfg') is None:
        # Given here because the Runner lets nobody change the device ids of
        # its default.
        cfg.model_wrapper_cfg = _default_wrapper(cfg)
    wrapper = cfg.model_wrapper_cfg
    kind = wrapper.setdefault('type', _WRAPPER)
    with MODEL_WRAPPERS.switch_scope_and_registry(
        cfg.get('default_scope') or 'mmengine'
    ) as registry:
        cls = registry.get(kind) if isinstance(kind, str) else kind
    if isinstance(cls, type) and issubclass(cls, DistributedDataParallel):
        wrapper.device_ids = None


def _default_wrapper(cfg: Config) -> dict:
    """What the Runner would take."""
    return dict(
        type=_WRAPPER,
        broadcast_buffers=False,
        find_unused_parameters=cfg.get('find_unused_parameters', False),
    )
