"""What turns MMEngine's Runner into a search: loops, ranks, evaluation."""

from .amp import CPUAmpOptimWrapper
from .channels_last import ChannelsLastDistributed, ChannelsLastHook
from .distributed import (
    SearchDistributed,
    average,
    average_gradients,
    average_statistics,
)
from .evaluate import (
    evaluate,
    evaluate_loss,
    recalibrate,
    same_randomness,
    take_batches,
)
from .frozen import frozen_statistics, frozen_weights
from .seeding import shared_seed
from .train_loop import ResumableTrainLoop

__all__ = [
    'CPUAmpOptimWrapper',
    'ChannelsLastDistributed',
    'ChannelsLastHook',
    'ResumableTrainLoop',
    'SearchDistributed',
    'average',
    'average_gradients',
    'average_statistics',
    'evaluate',
    'evaluate_loss',
    'frozen_statistics',
    'frozen_weights',
    'recalibrate',
    'same_randomness',
    'shared_seed',
    'take_batches',
]
