"""Layers that run at any width. Pure torch."""

from .layout import Layout, Segment, Selection
from .parameter import SlicedParameter, slice_layer
from .sliced import BATCH_NORMS, CONVS, NORMS, SLICEABLE, SlicedLayer, is_depthwise

__all__ = [
    'BATCH_NORMS',
    'CONVS',
    'NORMS',
    'SLICEABLE',
    'Layout',
    'Segment',
    'Selection',
    'SlicedLayer',
    'SlicedParameter',
    'is_depthwise',
    'slice_layer',
]
