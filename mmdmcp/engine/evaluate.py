"""Evaluate networks whose batch norms need statistics of their own first."""

import random
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import islice
from typing import Any

import numpy as np
import torch
from mmengine.dataset import DefaultSampler
from mmengine.dist import get_rank
from mmengine.evaluator import Evaluator
from mmengine.model import BaseModel
from torch.utils.data import DataLoader

from ..errors import ConfigError, DataError
from ..layers import BATCH_NORMS
from .distributed import average_statistics
from .seeding import seed_everything

#: Batches to recalibrate with: all of them are held in memory at once.
MOST_BATCHES = 100_000


@contextmanager
def same_randomness() -> Iterator[None]:
    """Leave the global random generators as they were.

    Evaluation in the middle of a training must not change it.
    """
    states = random.getstate(), np.random.get_state()
    devices = [torch.cuda.current_device()] if torch.cuda.is_available() else []
    with torch.random.fork_rng(devices=devices):
        try:
            yield
        finally:
            random.setstate(states[0])
            np.random.set_state(states[1])


def take_batches(dataloader: DataLoader, num: int) -> list[object]:
    """The same ``num`` batches of a data loader's data, whatever ran before.

    They have a shuffled order of their own and are augmented from a fixed
    seed: what is computed from them does not depend on where a run was
    resumed. They come from a loader made for them, so that the given one,
    which may be in the middle of an epoch, is left as it is. Call it inside
    :func:`same_randomness`.

    Args:
        dataloader: The data loader; its data, batch size and workers count.
        num: How many; fewer if there is less data.

    Raises:
        ConfigError: If the loader's batches have no size.
        DataError: If there is no batch.
    """
    size = dataloader.batch_size or getattr(
        dataloader.batch_sampler, 'batch_size', None
    )
    if not isinstance(size, int):
        raise ConfigError(
            'train_dataloader.batch_sampler: a '
            f'{type(dataloader.batch_sampler).__name__} has no batch_size, '
            'and batch norms are recalibrated with batches of that size; '
            'give it one, or leave batch_sampler out'
        )
    dataset: Any = dataloader.dataset
    sampler = DefaultSampler(dataset, seed=getattr(dataloader.sampler, 'seed', 0))
    indices = list(islice(sampler, num * size))
    if not indices:
        raise DataError(
            'no batch to recalibrate batch norms with: train_dataloader has '
            f'{len(dataset)} samples and {num} batches are asked '
            'for (recalibration_batches)'
        )
    seed_everything(0, get_rank())
    return list(
        DataLoader(
            dataloader.dataset,
            batch_size=size,
            sampler=indices,
            num_workers=dataloader.num_workers,
            collate_fn=dataloader.collate_fn,
            worker_init_fn=dataloader.worker_init_fn,
            multiprocessing_context=dataloader.multiprocessing_context,
            # One sample alone has no statistics.
            drop_last=len(indices) > size,
        )
    )


@torch.no_grad()
def recalibrate(model: BaseModel, batches: Sequence[object]) -> None:
    """Give the model's batch norms the statistics of these batches.

    A narrow network cut out of a supernet inherits statistics of other
    widths; compared without its own, every candidate looks like noise.
    Norms that prediction does not run, of auxiliary heads, keep theirs.

    Args:
        model: A model of an OpenMMLab package; only its running statistics
            change. Left in eval mode.
        batches: Batches as its data loader gives them.
    """
    norms = [
        m
        for m in model.modules()
        if isinstance(m, BATCH_NORMS) and m.running_mean is not None
    ]
    if not norms:
        return
    momenta = [norm.momentum for norm in norms]
    before = [[b.clone() for b in norm.buffers()] for norm in norms]
    model.eval()
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None  # torch: average over all batches
        norm.training = True
    try:
        for batch in batches:
            # As in training: samples of several sizes are padded to one.
            model(**model.data_preprocessor(batch, True), mode='tensor')
    finally:
        for norm, momentum, buffers in zip(norms, momenta, before):
            norm.momentum = momentum
            if not norm.num_batches_tracked:
                for buffer, value in zip(norm.buffers(), buffers):
                    buffer.copy_(value)
        model.eval()
    average_statistics(model)


@torch.no_grad()
def evaluate(
    model: BaseModel, dataloader: DataLoader, evaluator: Evaluator
) -> dict[str, float]:
    """Metrics of a model on a data loader, as MMEngine's ValLoop has them."""
    dataset: Any = dataloader.dataset
    model.eval()
    for batch in dataloader:
        outputs = model.val_step(batch)
        evaluator.process(data_samples=outputs, data_batch=batch)
    return evaluator.evaluate(len(dataset))


@torch.no_grad()
def evaluate_loss(model: BaseModel, dataloader: DataLoader) -> float:
    """The loss that a model trains with, on a data loader, per sample.

    Args:
        model: A model of an OpenMMLab package whose loss also runs in eval
            mode, on data with labels.
        dataloader: The data.
    """
    model.eval()
    total, count = 0.0, 0
    for batch in dataloader:
        data = model.data_preprocessor(batch, False)
        loss, _ = model.parse_losses(model(**data, mode='loss'))
        samples = len(data['data_samples'])
        total, count = total + float(loss) * samples, count + samples
    return total / count
