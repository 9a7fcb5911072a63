"""What turns MMEngine's Runner into a search: optimisers, loops, ranks."""
from .algorithm import PruningAlgorithm
from .clock import Clock, check_moment
from .distributed import SearchDistributed, average, average_statistics
from .evaluate import evaluate, recalibrate, same_randomness, take_batches
from .frozen import frozen_statistics, frozen_weights
from .optim import (SearchOptimWrapperConstructor, accumulate, finish,
                    split_accumulations)
from .search_hook import SearchHook
from .seeding import shared_seed
from .train_loop import ResumableTrainLoop
from .val_loop import SearchValLoop

__all__ = [
    'Clock', 'PruningAlgorithm', 'ResumableTrainLoop', 'SearchDistributed',
    'SearchHook', 'SearchOptimWrapperConstructor', 'SearchValLoop',
    'accumulate', 'average', 'average_statistics', 'check_moment', 'evaluate',
    'finish', 'frozen_statistics', 'frozen_weights', 'recalibrate',
    'same_randomness', 'shared_seed', 'split_accumulations', 'take_batches'
]
