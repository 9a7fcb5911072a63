"""What all methods share: algorithm, schedule, hook, optimisers, validation."""

from .algorithm import PruningAlgorithm
from .hook import SearchHook
from .optim import (
    SearchOptimWrapperConstructor,
    accumulate,
    finish,
    split_accumulations,
)
from .schedule import Clock, check_moment
from .val_loop import SearchValLoop

__all__ = [
    'Clock',
    'PruningAlgorithm',
    'SearchHook',
    'SearchOptimWrapperConstructor',
    'SearchValLoop',
    'accumulate',
    'check_moment',
    'finish',
    'split_accumulations',
]
