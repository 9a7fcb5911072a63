"""Torch-Pruning on the same half-trained network, at the same cost."""

import copy
from typing import Any

import torch
from torch import nn

from mmdmcp.cost.bisect import used_up_at

from .arms import Arm
from .networks import macs
from .runs import Run, Start

_IMAGE = torch.zeros(1, 3, 32, 32)
_HALVINGS = 14


def torch_pruning(importance: str, **options: Any) -> Arm:
    """All layers' channels compared, in one shot; at most 90 % of a layer.

    The ratio of channels that Torch-Pruning asks for is the one that ends
    nearest below the target.

    Args:
        importance: A class of ``torch_pruning.importance``.
        options: Its options.
    """

    def arm(run: Run) -> Start:
        start = run.half()

        def pruned(ratio: float) -> nn.Module:
            return _pruned(start.net, ratio, importance, options)

        def used(ratio: float) -> float:
            return macs(pruned(ratio)) / run.target

        start.net = pruned(used_up_at(used, 1.0, 0.0, _HALVINGS))
        return start

    return arm


def _pruned(full: nn.Module, ratio: float, importance: str, options: dict) -> nn.Module:
    import torch_pruning

    net = copy.deepcopy(full).eval()
    torch_pruning.pruner.BasePruner(
        net,
        _IMAGE,
        importance=getattr(torch_pruning.importance, importance)(**options),
        global_pruning=True,
        pruning_ratio=ratio,
        max_pruning_ratio=0.9,
        ignored_layers=[net.head['fc']],
    ).step()
    return net


#: The arms of this module by name.
PEERS: dict[str, Arm] = {
    # The norm of a layer's own filters.
    'tp_magnitude': torch_pruning('MagnitudeImportance', group_reduction='first'),
    # Over all layers that lose a channel together.
    'tp_group_norm': torch_pruning('GroupMagnitudeImportance'),
}
