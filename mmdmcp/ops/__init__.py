"""Layers that run at any width. Pure torch."""

from .layout import Layout, Segment, Selection
from .parameter import SlicedParameter, slice_layer
from .sliced import SlicedLayer

__all__ = [
    'Layout',
    'Segment',
    'Selection',
    'SlicedLayer',
    'SlicedParameter',
    'slice_layer',
]
