"""Normalisations."""

from collections.abc import Callable, Sequence
from typing import Any

from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm, _NormBase

from .kind import LayerKind
from .open_norm import open_group_norm

#: Layers whose running statistics are those of a batch.
BATCH_NORMS = (_BatchNorm,)
_RMS_NORM = (nn.RMSNorm,) if hasattr(nn, 'RMSNorm') else ()  # torch >= 2.4


class _Norm(LayerKind):
    """One scale and one shift for each channel, or none."""

    noun = 'a norm'
    tensors = {'weight': ('out',), 'bias': ('out',)}
    normalises = True

    def fold_scale(self, tensors: dict[str, Tensor], scale: Tensor) -> bool:
        if 'weight' not in tensors:
            return False
        for name, value in tensors.items():
            tensors[name] = value * scale
        return True


class BatchNorm(_Norm):
    """Batch and instance norm, synchronised or not."""

    types = (_NormBase,)
    tensors = {
        **_Norm.tensors,
        'running_mean': ('out',),
        'running_var': ('out',),
    }
    sizes = {'num_features': 'out'}


class GroupNorm(_Norm):
    """The number of groups stays."""

    types = (nn.GroupNorm,)
    sizes = {'num_channels': 'out'}

    def groups(self, module: Any) -> int:
        return module.num_groups

    def open_forward(
        self, module: Any
    ) -> Callable[[Any, Tensor, Tensor], Tensor] | None:
        return open_group_norm if module.num_groups == 1 else None


class LayerNorm(_Norm):
    """Layer and RMS norm, over the channels alone."""

    types = (nn.LayerNorm, *_RMS_NORM)
    sizes = {'normalized_shape': 'out'}

    def size(self, module: Any, side: str) -> int:
        return module.normalized_shape[-1]

    def new_sizes(self, ins: int, outs: int, groups: int) -> dict[str, object]:
        return {'normalized_shape': (outs,)}

    def channel_dim(
        self, module: Any, shape: Sequence[int], varying: Sequence[int] = ()
    ) -> int:
        """The last one, unless a subclass permutes its input."""
        size = self.size(module, 'out')
        return next((dim for dim in varying if shape[dim] == size), len(shape) - 1)

    def keeps_whole(self, module: Any) -> str | None:
        if len(module.normalized_shape) > 1:
            return 'a norm over whole maps knows its size'
        return None
