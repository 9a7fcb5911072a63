"""Searches in a training loop of one's own, without Runner or config.

The algorithms, mutators and schedules are those that configs name.
"""

from .dmcp import DMCP, Searched
from .gates import Gates
from .loop import Search

__all__ = ['DMCP', 'Gates', 'Search', 'Searched']
