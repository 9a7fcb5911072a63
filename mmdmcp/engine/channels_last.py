"""The layout of feature maps that convolutions prefer."""

import torch
from mmengine.hooks import Hook
from mmengine.runner import Runner
from torch import nn

from ..registry import HOOKS


@HOOKS.register_module()
class ChannelsLastHook(Hook):
    """Runs the model in ``torch.channels_last``: channels lie side by side.

    Convolutions with such weights return such feature maps, whatever they
    get, so it is enough to turn the weights; shapes, names and results are
    those of before, up to rounding. It pays in mixed precision on GPUs and
    on CPUs with AMX or AVX512-bf16 (docs/speed.md), for searches, gates,
    importance, retraining and tests alike. ``--channels-last`` of ``mmdmcp
    train`` adds this hook. A checkpoint loads with and without it.

    Example:
        >>> custom_hooks = [dict(type='mmdmcp.ChannelsLastHook')]
    """

    # Before other hooks copy the model, as MMEngine's EMAHook does.
    priority = 'HIGHEST'

    def before_run(self, runner: Runner) -> None:
        """Turn the weights, before a checkpoint is loaded into them."""
        to_channels_last(runner.model)


def to_channels_last(model: nn.Module) -> None:
    """Turn all weights of four dimensions, in place; parameters stay the
    same objects, which optimisers hold."""
    model.to(memory_format=torch.channels_last)
