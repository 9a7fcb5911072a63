"""Pruning by importance: the channels that matter least go first."""

from .algorithm import ImportancePruning
from .mutator import ImportanceChannelMutator, ImportanceChannelUnit

__all__ = ['ImportanceChannelMutator', 'ImportanceChannelUnit', 'ImportancePruning']
