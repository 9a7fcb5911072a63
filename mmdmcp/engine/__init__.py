"""What turns MMEngine's Runner into a search: optimisers, loops, ranks."""
from .checkpoints import find_good_checkpoint
from .clock import Clock, check_moment
from .distributed import SearchDistributed
from .evaluate import evaluate, recalibrate, same_randomness, take_batches
from .frozen import frozen_statistics, frozen_weights
from .optim import (SearchOptimWrapperConstructor, accumulate,
                    average_gradients, finish)
from .train_loop import ResumableTrainLoop
from .search_hook import SearchHook
from .val_loop import SearchValLoop

__all__ = [
    'Clock', 'ResumableTrainLoop', 'SearchDistributed', 'SearchHook',
    'SearchOptimWrapperConstructor', 'SearchValLoop', 'accumulate',
    'average_gradients', 'check_moment', 'evaluate', 'find_good_checkpoint',
    'finish', 'frozen_statistics', 'frozen_weights', 'recalibrate',
    'same_randomness', 'take_batches'
]
