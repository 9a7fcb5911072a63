"""Evaluate networks that training did not leave ready for it."""
import random
from contextlib import contextmanager
from itertools import islice
from typing import Dict, Iterator, List, Sequence

import numpy as np
import torch
from mmengine.dist import get_rank
from mmengine.evaluator import Evaluator
from torch import nn
from torch.utils.data import DataLoader

from ..ops import BATCH_NORMS
from .distributed import average
from .seeding import seed_everything


@contextmanager
def same_randomness() -> Iterator[None]:
    """Leave the global random generators as they were.

    Evaluation in the middle of a training must not change it.
    """
    states = random.getstate(), np.random.get_state()
    devices = [torch.cuda.current_device()] if \
        torch.cuda.is_available() else []
    with torch.random.fork_rng(devices=devices):
        try:
            yield
        finally:
            random.setstate(states[0])
            np.random.set_state(states[1])


def take_batches(dataloader: DataLoader, num: int) -> List[object]:
    """The same ``num`` batches of a data loader, whatever ran before.

    In the order of the first epoch, augmented from a fixed seed: what is
    computed from them does not depend on where a run was resumed. Call it
    inside :func:`same_randomness`.
    """
    sampler = dataloader.sampler
    if hasattr(sampler, 'set_epoch'):  # training sets it before each epoch
        sampler.set_epoch(0)
    seed_everything(0, get_rank())
    return list(islice(iter(dataloader), num))


@torch.no_grad()
def recalibrate(model: nn.Module, batches: Sequence[object]) -> None:
    """Give the model's batch norms the statistics of these batches.

    A narrow network cut out of a supernet inherits statistics of other
    widths; compared without its own, every candidate looks like noise.

    Args:
        model: A model of an OpenMMLab package; only its running statistics
            change. Left in eval mode.
        batches: Batches as its data loader gives them.
    """
    norms = [
        m for m in model.modules()
        if isinstance(m, BATCH_NORMS) and m.running_mean is not None
    ]
    if not norms or not batches:
        return
    momenta = [norm.momentum for norm in norms]
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
        for norm, momentum in zip(norms, momenta):
            norm.momentum = momentum
        model.eval()
    average([n.running_mean for n in norms] + [n.running_var for n in norms])


@torch.no_grad()
def evaluate(model: nn.Module, dataloader: DataLoader,
             evaluator: Evaluator) -> Dict[str, float]:
    """Metrics of a model on a data loader, as MMEngine's ValLoop has them."""
    model.eval()
    for batch in dataloader:
        outputs = model.val_step(batch)
        evaluator.process(data_samples=outputs, data_batch=batch)
    return evaluator.evaluate(len(dataloader.dataset))
