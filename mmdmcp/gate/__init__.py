"""Trainable gates: which channels a pretrained network can do without."""

from .algorithm import TrainableGate
from .mutator import GateChannelMutator
from .unit import GateChannelUnit

__all__ = ['GateChannelMutator', 'GateChannelUnit', 'TrainableGate']
