"""Linear layers."""

from collections.abc import Sequence
from typing import Any

from torch import Tensor, nn

from .kind import LayerKind


class Linear(LayerKind):
    """Weight ``[out, in]``, applied along the last dimension."""

    types = (nn.Linear,)
    noun = 'a linear layer'
    tensors = {'weight': ('out', 'in'), 'bias': ('out',)}
    sizes = {'in_features': 'in', 'out_features': 'out'}
    makes_channels = True

    def channel_dim(
        self, module: Any, shape: Sequence[int], varying: Sequence[int] = ()
    ) -> int:
        return -1

    def kernel(self, module: Any) -> int:
        return 1

    def fold_scale(self, tensors: dict[str, Tensor], scale: Tensor) -> bool:
        for name, value in tensors.items():
            tensors[name] = value * scale.view((-1,) + (1,) * (value.dim() - 1))
        return True
