"""Kinds of layers: one class knows each, and everything else asks it.

Needs torch only. A kind of your own is a subclass of :class:`LayerKind`;
defining it registers it.
"""

from .bare import BareParameter
from .convolution import (
    Convolution,
    DepthwiseConvolution,
    DepthwiseTransposedConvolution,
    TransposedConvolution,
)
from .kind import LayerKind, kind_of, known_kind
from .linear import Linear
from .norms import BATCH_NORMS, BatchNorm, GroupNorm, LayerNorm
from .prelu import PReLU

__all__ = [
    'BATCH_NORMS',
    'BareParameter',
    'BatchNorm',
    'Convolution',
    'DepthwiseConvolution',
    'DepthwiseTransposedConvolution',
    'GroupNorm',
    'LayerKind',
    'LayerNorm',
    'Linear',
    'PReLU',
    'TransposedConvolution',
    'kind_of',
    'known_kind',
]
