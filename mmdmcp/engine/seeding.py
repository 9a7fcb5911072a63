"""Randomness as a function of where a run is, not of what ran before."""
import hashlib
import random

import numpy as np
import torch


def seed_everything(*key: int) -> None:
    """Seed Python, NumPy and torch from a tuple of numbers."""
    digest = hashlib.sha256(repr(key).encode()).digest()
    seed = int.from_bytes(digest[:4], 'little')
    random.seed(seed)
    np.random.seed(seed)
    torch.manual_seed(seed)
