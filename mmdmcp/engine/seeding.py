"""Randomness as a function of where a run is, not of what ran before."""

import hashlib
import random
from collections.abc import Callable
from functools import partial

import numpy as np
import torch
from mmengine.dist import broadcast_object_list
from mmengine.runner import Runner
from torch.utils.data import DataLoader, get_worker_info


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


def seed_workers(loader: DataLoader) -> None:
    """Let a loader's workers draw other numbers in each epoch.

    MMEngine seeds them alike whenever they start. torch hands each a seed
    from this process's generator, which the training loop has set for the
    epoch by then: that one is used.

    Args:
        loader: A data loader whose workers have not started.
    """
    loader.worker_init_fn = partial(_reseed, loader.worker_init_fn)


def _reseed(init: Callable[[int], None] | None, worker: int) -> None:
    if init is not None:
        init(worker)
    info = get_worker_info()
    assert info is not None  # this runs in a worker
    seed_everything(info.seed)
