"""DMCP: Differentiable Markov Channel Pruning."""

from .algorithm import DMCP
from .mutator import DMCPChannelMutator
from .unit import DMCPChannelUnit

__all__ = ['DMCP', 'DMCPChannelMutator', 'DMCPChannelUnit']
