"""What turns MMEngine's Runner into a search: optimisers, loops, ranks."""
from .distributed import SearchDistributed
from .evaluate import evaluate, recalibrate, same_randomness, take_batches
from .frozen import frozen_statistics, frozen_weights
from .optim import (SearchOptimWrapperConstructor, accumulate,
                    average_gradients, finish)
from .val_loop import SearchValLoop

__all__ = [
    'SearchDistributed', 'SearchOptimWrapperConstructor', 'SearchValLoop',
    'accumulate', 'average_gradients', 'evaluate', 'finish',
    'frozen_statistics', 'frozen_weights', 'recalibrate', 'same_randomness',
    'take_batches'
]
