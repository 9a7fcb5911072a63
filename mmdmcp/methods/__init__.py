"""The contract of a method, and what all methods share.

A method subclasses :class:`PruningAlgorithm`, :class:`ChannelMutator`,
:class:`SearchHook` and, where it counts on more than iterations,
:class:`Schedule`. One that starts from trained weights has
:class:`~mmdmcp.methods.pretrained.PretrainedHook` for its hook.
"""

from .algorithm import PruningAlgorithm
from .anneal import SearchCosineLR
from .any_module import AnyModule, LossFn
from .hook import SearchHook
from .leaves import Leaves
from .mutator import ChannelMutator, Choice, counts
from .optim import (
    SearchOptimWrapperConstructor,
    accumulate,
    finish,
    gradient_scale,
    split_accumulations,
)
from .schedule import Schedule, StagedSchedule, check_point
from .unit import ChannelUnit
from .val_loop import SearchValLoop

__all__ = [
    'AnyModule',
    'ChannelMutator',
    'ChannelUnit',
    'Choice',
    'Leaves',
    'LossFn',
    'PruningAlgorithm',
    'Schedule',
    'SearchCosineLR',
    'SearchHook',
    'SearchOptimWrapperConstructor',
    'SearchValLoop',
    'StagedSchedule',
    'accumulate',
    'check_point',
    'counts',
    'finish',
    'gradient_scale',
    'split_accumulations',
]
