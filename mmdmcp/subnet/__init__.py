"""The subnet file: what a search found, and how to rebuild it.

Needs torch and PyYAML only. :class:`Subnet` is the file, :func:`apply`
makes a full model small.
"""

from .apply import apply
from .ranges import format_ranges, parse_ranges
from .rows import LayerWidth, UnitWidth
from .schema import FORMAT, Subnet

__all__ = [
    'FORMAT',
    'LayerWidth',
    'Subnet',
    'UnitWidth',
    'apply',
    'format_ranges',
    'parse_ranges',
]
