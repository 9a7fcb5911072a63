"""``init_cfg`` of pruned networks: only weights of that size may load.

MMEngine loads a ``Pretrained`` checkpoint without insisting that anything
fits: weights of the full network would leave the small one at random, with
a line in the log. Here that ends the training before it begins. Models that
are built to be tested or deployed are not held up by it, since their
``init_cfg`` is never used.
"""
import os
from typing import Any, Dict, List, Optional, Union

import torch
from mmengine.model import BaseModule
from mmengine.model.weight_init import PretrainedInit
from torch import nn

from ..errors import CheckpointError, ConfigError

_ZOOS = ('torchvision://', 'open-mmlab://', 'openmmlab://', 'mmcls://',
         'modelzoo://')


class RefuseWeights:
    """An initialiser that explains why there are no weights to load."""

    def __init__(self, why: str) -> None:
        self.why = why

    def __call__(self, module: nn.Module) -> None:
        raise CheckpointError(self.why)


def checked_init_cfgs(model: nn.Module,
                      init_cfg: Optional[dict] = None,
                      prefix: Any = None) -> None:
    """Give the model its ``init_cfg`` and check every one below it.

    Args:
        model (nn.Module): The pruned model.
        init_cfg (dict, optional): Replaces the model's own.
        prefix (str, optional): What the names of its weights may begin with
            in a checkpoint.
    """
    if init_cfg is not None:
        if not isinstance(model, BaseModule):
            raise ConfigError(
                f'init_cfg: a {type(model).__name__} is no MMEngine module '
                'and can\'t use it; load its weights after building')
        model.init_cfg = init_cfg
        if _is_pretrained(init_cfg):
            # These come last and for the whole model: no need for others.
            for module in model.modules():
                if module is not model and _is_pretrained(
                        getattr(module, 'init_cfg', None)):
                    module.init_cfg = None
    for name, module in model.named_modules():
        if _is_pretrained(getattr(module, 'init_cfg', None)):
            where = f'{name}.init_cfg' if name else 'init_cfg'
            module.init_cfg = _checked(module, module.init_cfg, where,
                                       prefix if not name else None)


def _is_pretrained(init_cfg: Union[None, dict, list]) -> bool:
    return isinstance(
        init_cfg,
        dict) and init_cfg.get('type') in ('Pretrained', PretrainedInit)


def _checked(module: nn.Module, init_cfg: dict, where: str,
             prefix: Any) -> dict:
    """The same ``init_cfg``, or one that says what is wrong with it."""
    checkpoint = str(init_cfg.get('checkpoint'))
    if checkpoint.startswith(_ZOOS):
        return dict(
            type=RefuseWeights,
            why=f'{where}: {checkpoint} holds weights of the full network, '
            'which don\'t fit the pruned one. Retrain the pruned classifier '
            'and give its checkpoint as init_cfg beside cfg (or '
            'cfg.init_cfg=None to start from random weights)')
    if not os.path.isfile(checkpoint):
        return init_cfg  # a URL, or missing: MMEngine says so when it loads
    try:
        weights = read_weights(checkpoint)
        init_cfg = dict(init_cfg)
        if init_cfg.get('prefix') is None and isinstance(prefix, str) and any(
                key.startswith(prefix) for key in weights):
            init_cfg['prefix'] = prefix
        _compare(module, weights, init_cfg.get('prefix'))
    except CheckpointError as error:
        return dict(type=RefuseWeights, why=f'{where}: {checkpoint} {error}')
    return init_cfg


def read_weights(path: str) -> Dict[str, torch.Tensor]:
    """The state dict of a checkpoint; no code in it is run.

    Raises:
        CheckpointError: If the file holds none. It does not name the file.
    """
    try:
        content = torch.load(
            path, map_location='cpu', weights_only=True, mmap=True)
    except Exception:  # not a zip file: an old format, or damaged
        try:
            content = torch.load(path, map_location='cpu', weights_only=True)
        except Exception as error:
            reason = str(error).strip().split('\n')[0]
            raise CheckpointError(
                f'can\'t be loaded ({reason}); it is damaged, or not a '
                'checkpoint with weights only') from None
    for key in ('state_dict', 'model'):
        if isinstance(content, dict) and isinstance(content.get(key), dict):
            content = content[key]
    if not isinstance(content, dict) or not any(
            isinstance(value, torch.Tensor) for value in content.values()):
        raise CheckpointError('holds no weights')
    return {
        key[7:] if key.startswith('module.') else key: value
        for key, value in content.items()
    }


def _compare(module: nn.Module, weights: Dict[str, torch.Tensor],
             prefix: Optional[str]) -> None:
    """Every weight of the module must be there, in its shape."""
    if prefix:
        prefix = prefix.rstrip('.') + '.'
        heads = sorted({key.partition('.')[0] for key in weights})
        weights = {
            key[len(prefix):]: value
            for key, value in weights.items() if key.startswith(prefix)
        }
        if not weights:
            raise CheckpointError(
                f'has no weights under {prefix!r}; its names begin with ' +
                ', '.join(heads[:6]))
    missing: List[str] = []
    for key, value in module.state_dict().items():
        if key not in weights:
            if not key.endswith('num_batches_tracked'):
                missing.append(key)
        elif weights[key].shape != value.shape:
            raise CheckpointError(
                f'does not fit: {key} is {list(weights[key].shape)} there '
                f'and {list(value.shape)} here. Give the checkpoint that was '
                'trained with this subnet file')
    if missing:
        raise CheckpointError(
            f'lacks {len(missing)} weights of the '
            f'{type(module).__name__}: {", ".join(missing[:3])}. Give the '
            'checkpoint that was trained with this subnet file, and its '
            'prefix if the names there have one')
