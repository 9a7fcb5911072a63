"""Randomness as a function of where a run is, not of what ran before."""
import hashlib
import random

import numpy as np
import torch
from mmengine.dist import broadcast_object_list
from mmengine.runner import Runner


def seed_everything(*key: int) -> None:
    """Seed Python, NumPy and torch from a tuple of numbers."""
    digest = hashlib.sha256(repr(key).encode()).digest()
    seed = int.from_bytes(digest[:4], 'little')
    random.seed(seed)
    np.random.seed(seed)
    torch.manual_seed(seed)


def shared_seed(runner: Runner) -> int:
    """Rank 0's seed, on all ranks: what they must decide alike hangs on it.

    With ``randomness.diff_rank_seed`` MMEngine gives each rank its own.
    """
    seed = [runner.seed]
    broadcast_object_list(seed)
    return seed[0]
