"""``init_cfg`` of pruned networks: only weights of that size may load.

MMEngine loads a ``Pretrained`` checkpoint without insisting that anything
fits: with a checkpoint of the full network the small one would keep its
random weights, and the log would have a line about it. Here that ends the
training before it begins. Models that are built to be tested or deployed are
not affected, since their ``init_cfg`` is never used.
"""

import copy
import os
from collections.abc import Callable, Mapping
from typing import Any

from mmengine.model import BaseModule
from torch import nn

from ..checkpoints import (
    compare,
    initialisers,
    is_pretrained,
    read_weights,
    require_fit,
    under,
)
from ..checkpoints.fetch import downloaded, is_url
from ..errors import CheckpointError, ConfigError
from ..subnet import Subnet, apply

#: An MMEngine module's: one initialiser, several in a list, or none.
InitCfg = dict | list[dict] | None

_ZOOS = ('torchvision://', 'open-mmlab://', 'openmmlab://', 'mmcls://', 'modelzoo://')


class FullModel:
    """The model that a pruned one was cut from.

    Args:
        cfg: Its config, or the model itself before it was cut.
        build: Makes a new model of that.
        subnet: The pruned architecture.
        prefix: Which of its rows were used; see :func:`mmdmcp.subnet.apply`.
    """

    def __init__(
        self, cfg: Any, build: Callable[[Any], nn.Module], subnet: Subnet, prefix: Any
    ) -> None:
        self.cfg = copy.deepcopy(cfg)
        self.build = build
        self.subnet = subnet
        self.prefix = prefix

    def is_source_of(self, small: nn.Module, weights: Mapping[str, Any]) -> bool:
        """Whether weights are the full model's, and not the small one's."""
        fit = compare(small, weights)
        if not fit.mismatched:
            return False
        fit = compare(self._new(), weights)
        return not fit.mismatched and not fit.missing

    def slice(self, weights: Mapping[str, Any]) -> dict[str, Any]:
        """The small model's state dict, cut out of the full one's."""
        full = self._new()
        full.load_state_dict(weights, strict=False)
        return apply(full, self.subnet, self.prefix).state_dict()

    def _new(self) -> nn.Module:
        return self.build(copy.deepcopy(self.cfg))


class SlicedWeights:
    """An initialiser that loads the kept part of a full model's weights."""

    def __init__(self, full: FullModel, weights: Mapping[str, Any]) -> None:
        self.full = full
        self.weights = weights

    def __call__(self, module: nn.Module) -> None:
        module.load_state_dict(self.full.slice(self.weights))
        # MMEngine initialises the parts of a module after it, except where
        # that is done.
        parts: list[Any] = list(module.modules())[1:]
        for part in parts:
            if hasattr(part, 'init_weights'):
                part.is_init = True

    def __deepcopy__(self, memo: dict) -> 'SlicedWeights':
        return self


class RefuseWeights:
    """An initialiser that explains why there are no weights to load."""

    def __init__(self, why: str) -> None:
        self.why = why

    def __call__(self, module: nn.Module) -> None:
        raise CheckpointError(self.why)


def checked_init_cfgs(
    model: nn.Module,
    init_cfg: InitCfg = None,
    prefix: Any = None,
    full: FullModel | None = None,
) -> None:
    """Give the model its ``init_cfg`` and check every one below it.

    Args:
        model (nn.Module): The pruned model.
        init_cfg (dict or list, optional): Replaces the model's own.
        prefix (str, optional): What the names of its weights may begin with
            in a checkpoint.
        full (FullModel, optional): What the model was cut from: a checkpoint
            of it is sliced.

    Raises:
        ConfigError: If the model can't use an ``init_cfg``.
    """
    if init_cfg is not None:
        if not isinstance(model, BaseModule):
            raise ConfigError(
                f'init_cfg: a {type(model).__name__} is no MMEngine module '
                "and can't use it; load its weights after building"
            )
        model.init_cfg = init_cfg
        if any(map(is_pretrained, initialisers(init_cfg))):
            # These come last and for the whole model: no need for others.
            for module in model.modules():
                if module is not model and hasattr(module, 'init_cfg'):
                    _replace(module, lambda entry: None)
    for name, module in model.named_modules():
        where = f'{name}.init_cfg' if name else 'init_cfg'
        _replace(
            module,
            lambda entry: _checked(
                module, entry, where, *((None, None) if name else (prefix, full))
            ),
        )


def _replace(module: Any, new: Callable[[dict], dict | None]) -> None:
    """Put others in place of what loads a checkpoint; None drops it."""
    entries = initialisers(getattr(module, 'init_cfg', None))
    if not any(map(is_pretrained, entries)):
        return
    replaced = [new(e) if is_pretrained(e) else e for e in entries]
    replaced = [entry for entry in replaced if entry is not None]
    module.init_cfg = replaced if len(replaced) > 1 else next(iter(replaced), None)


def _checked(
    module: nn.Module, init_cfg: dict, where: str, prefix: Any, full: FullModel | None
) -> dict:
    """The same ``init_cfg``, or one that says what is wrong with it."""
    # MMEngine loads it last only under this very name.
    init_cfg = dict(init_cfg, type='Pretrained')
    checkpoint = str(init_cfg.get('checkpoint'))
    if checkpoint.startswith(_ZOOS):
        return dict(
            type=RefuseWeights,
            why=f'{where}: {checkpoint} holds weights of the full network, '
            "which don't fit the pruned one. Retrain the pruned classifier "
            'and give its checkpoint as init_cfg beside cfg (or '
            'cfg.init_cfg=None to start from random weights)',
        )
    # Training has downloaded a URL by now; what is only tested need not be.
    file = downloaded(checkpoint) if is_url(checkpoint) else checkpoint
    if not os.path.isfile(file):
        return init_cfg  # missing: MMEngine says so when it loads
    try:
        weights = read_weights(file)
        if (
            init_cfg.get('prefix') is None
            and isinstance(prefix, str)
            and any(key.startswith(prefix) for key in weights)
        ):
            init_cfg['prefix'] = prefix
        if init_cfg.get('prefix'):
            weights = under(init_cfg['prefix'], weights)
        if full is not None and full.is_source_of(module, weights):
            return dict(type=SlicedWeights, full=full, weights=weights)
        require_fit(module, weights)
    except CheckpointError as error:
        return dict(type=RefuseWeights, why=f'{where}: {checkpoint} {error}')
    return init_cfg
