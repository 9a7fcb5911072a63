"""The layout of feature maps that convolutions prefer."""

from typing import Any

import torch
from mmengine.hooks import Hook
from mmengine.model import MMDistributedDataParallel
from mmengine.runner import Runner
from torch import nn
from torch.nn.parallel import DistributedDataParallel

from ..errors import ConfigError
from ..registry import HOOKS, MODEL_WRAPPERS


@HOOKS.register_module()
class ChannelsLastHook(Hook):
    """Runs the model in ``torch.channels_last``: channels lie side by side.

    Convolutions with such weights return such feature maps, whatever they
    get, so it is enough to turn the weights; shapes, names and results are
    those of before, up to rounding. It pays in mixed precision on GPUs and
    on CPUs with AMX or AVX512-bf16 (docs/speed.md), for searches, gates,
    importance, retraining and tests alike. ``--channels-last`` of ``mmdmcp
    train`` adds this hook. A checkpoint loads with and without it.

    Raises:
        ConfigError: If the model is wrapped in a ``DistributedDataParallel``
            that has seen its parameters in another layout; torch (2.11) would
            mix their gradients up. :class:`ChannelsLastDistributed` is the
            wrapper to use.

    Example:
        >>> custom_hooks = [dict(type='mmdmcp.ChannelsLastHook')]
    """

    # Before other hooks copy the model, as MMEngine's EMAHook does.
    priority = 'HIGHEST'

    def before_run(self, runner: Runner) -> None:
        """Turn the weights, before a checkpoint is loaded into them."""
        model = runner.model
        if isinstance(model, ChannelsLastDistributed):
            return
        if isinstance(model, DistributedDataParallel):
            raise ConfigError(
                f'ChannelsLastHook: the model is wrapped in {type(model).__name__}, '
                'which does not let its layout change. Train with --channels-last, '
                "or set model_wrapper_cfg=dict(type='mmdmcp.ChannelsLastDistributed', "
                'broadcast_buffers=False)'
            )
        to_channels_last(model)


@MODEL_WRAPPERS.register_module()
class ChannelsLastDistributed(MMDistributedDataParallel):
    """MMEngine's data parallelism, around a model in ``channels_last``.

    Args:
        module: The model, which is turned.
        **options: Of MMEngine's wrapper.
    """

    def __init__(self, module: nn.Module, **options: Any) -> None:
        to_channels_last(module)
        super().__init__(module, **options)


def to_channels_last(model: nn.Module) -> None:
    """Turn all weights of four dimensions, in place; parameters stay the
    same objects, which optimisers hold."""
    # torch's own annotations of `to` lack this option.
    model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
