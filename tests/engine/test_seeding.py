"""What is drawn depends on where a run is, also in data-loader workers."""

import random
from functools import partial

import numpy as np
import pytest
import torch
from mmengine.dataset import worker_init_fn
from torch.utils.data import DataLoader, Dataset

from mmdmcp.engine.seeding import seed_everything, seed_workers


class Draws(Dataset):
    """Samples that are nothing but random numbers."""

    def __len__(self):
        return 8

    def __getitem__(self, index):
        return torch.tensor([random.random(), np.random.rand(), torch.rand(()).item()])


def epoch(loader, number, after=0):
    """What an epoch's batches draw, those before ``after`` left out."""
    seed_everything(0, number)
    batches = []
    for index, batch in enumerate(loader):
        seed_everything(0, number, index)
        batches.append(batch)
    return torch.cat(batches[after:])


@pytest.fixture
def load():

    def build():
        loader = DataLoader(
            Draws(),
            batch_size=2,
            num_workers=2,
            # As MMEngine's Runner builds it.
            worker_init_fn=partial(worker_init_fn, num_workers=2, rank=0, seed=0),
        )
        seed_workers(loader)
        return loader

    return build


def test_workers_draw_other_numbers_in_each_epoch(load):
    loader = load()
    first, second = epoch(loader, 0), epoch(loader, 1)
    for generator in range(3):
        drawn = torch.cat([first[:, generator], second[:, generator]])
        assert len(drawn.unique()) == 16


def test_a_resumed_epoch_draws_what_the_uninterrupted_one_did(load):
    loader = load()
    epoch(loader, 0)
    whole = epoch(loader, 1)
    assert torch.equal(epoch(load(), 1, after=2), whole[4:])
