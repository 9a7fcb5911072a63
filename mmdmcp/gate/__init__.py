"""Trainable gates: which channels a pretrained network can do without."""

from .algorithm import TrainableGate
from .mutator import GateChannelMutator

__all__ = ['GateChannelMutator', 'TrainableGate']
