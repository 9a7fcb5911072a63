"""Convolutions: plain, transposed, and one filter per channel."""

from collections.abc import Sequence
from math import prod
from typing import Any, ClassVar

from torch import Tensor, nn

from .kind import LayerKind


class Convolution(LayerKind):
    """Weight ``[out, in / groups, *kernel]``."""

    types: ClassVar[tuple[type[nn.Module], ...]] = (nn.Conv1d, nn.Conv2d, nn.Conv3d)
    noun = 'a convolution'
    tensors = {'weight': ('out', 'in/groups'), 'bias': ('out',)}
    sizes = {'in_channels': 'in', 'out_channels': 'out', 'groups': 'groups'}
    makes_channels = True

    def groups(self, module: Any) -> int:
        return module.groups

    def channel_dim(
        self, module: Any, shape: Sequence[int], varying: Sequence[int] = ()
    ) -> int:
        """The one before its positions."""
        return -1 - len(module.kernel_size)

    def sliding_dim(
        self, module: Any, x: Tensor, y: Tensor, varying: Sequence[int]
    ) -> int | None:
        """One filter, over a tensor whose channels lie along a position.

        With as many positions after it as before. What it reads beyond the
        last channel is padding, with any number of channels.
        """
        if module.in_channels != 1 or module.out_channels != 1 or len(varying) != 1:
            return None
        (dim,) = varying
        is_position = dim > x.dim() - 1 - len(module.kernel_size)
        return dim if is_position and x.shape == y.shape else None

    def kernel(self, module: Any) -> int:
        return prod(module.kernel_size)

    def fold_scale(self, tensors: dict[str, Tensor], scale: Tensor) -> bool:
        for name, value in tensors.items():
            tensors[name] = value * scale.view((-1,) + (1,) * (value.dim() - 1))
        return True


class TransposedConvolution(Convolution):
    """Weight ``[in, out / groups, *kernel]``, applied at every input."""

    types = (nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d)
    noun = 'a transposed convolution'
    tensors = {'weight': ('in', 'out/groups'), 'bias': ('out',)}

    def sliding_dim(self, *_) -> int | None:
        return None

    def positions(self, module: Any, x: Tensor, y: Tensor) -> int:
        return x.numel() // module.in_channels

    def fold_scale(self, tensors: dict[str, Tensor], scale: Tensor) -> bool:
        weight = tensors['weight']
        if weight.size(1) != len(scale):  # grouped
            return False
        tensors['weight'] = weight * scale.view((1, -1) + (1,) * (weight.dim() - 2))
        if 'bias' in tensors:
            tensors['bias'] = tensors['bias'] * scale
        return True


class _Depthwise(LayerKind):
    """As many groups as inputs: passes channels on, ``m`` outputs each."""

    noun = 'a depthwise convolution'
    makes_channels = False
    groups_follow = True

    def takes(self, module: Any) -> bool:
        return 1 < module.groups == module.in_channels

    def fold_scale(self, tensors: dict[str, Tensor], scale: Tensor) -> bool:
        """Its inputs carry the scale already; its bias does not."""
        if 'bias' in tensors:
            tensors['bias'] = tensors['bias'] * scale
        return True


class DepthwiseConvolution(_Depthwise, Convolution):
    """Weight ``[m * in, 1, *kernel]``."""

    types = Convolution.types


class DepthwiseTransposedConvolution(_Depthwise, TransposedConvolution):
    """Weight ``[in, m, *kernel]``."""

    types = TransposedConvolution.types
