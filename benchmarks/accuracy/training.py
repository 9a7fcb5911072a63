"""The one recipe: every network is trained by it, for as many iterations.

SGD with Nesterov momentum and weight decay, crops and flips, bfloat16 and
channels_last; the rate rises for the first part of a phase and falls to zero
like a cosine. A method that prunes a trained network has two phases, each
half as long: the full network's, and what follows. Iterations are numbered
through both, and number and seed make the batch: at every moment, all
networks of a seed have met the same images.
"""

import pickle
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from ..widths.data import CIFAR10
from ..widths.pretrained import train
from ..widths.search import cosine

#: Peak learning rates of a first phase, and of one that goes on from it.
RATE, TUNING_RATE = 0.2, 0.1
SGD = dict(momentum=0.9, weight_decay=5e-4, nesterov=True)
_WARM_UP = 0.15


class Images(CIFAR10):
    """CIFAR-10 with its test images."""

    def __init__(self, root: str | Path, size: int = 32, device: str = 'cpu') -> None:
        super().__init__(root, size, device)
        with open(Path(root, 'cifar-10-batches-py', 'test_batch'), 'rb') as file:
            content = pickle.load(file, encoding='bytes')
        pixels = torch.from_numpy(np.asarray(content[b'data'])).view(-1, 3, 32, 32)
        self._test, self._test_labels = self._put(pixels, content[b'labels'])

    @property
    def num_test(self) -> int:
        """Images of the test."""
        return len(self._test)

    def test_batches(self, batch: int = 500) -> Iterator[tuple[Tensor, Tensor]]:
        """Images ``[N, 3, H, W]`` and labels ``[N]`` that nothing chose by."""
        for start in range(0, len(self._test), batch):
            part = slice(start, start + batch)
            images = self._sized(self._normalised(self._test[part]))
            yield images, self._test_labels[part]


@dataclass(frozen=True)
class Recipe:
    """How long and on which batches.

    Attributes:
        epochs: In all.
        batch: Images in a batch.
        seed: Of weights and batches.
    """

    epochs: int
    batch: int
    seed: int

    def epoch(self, data: Any) -> int:
        """Iterations of an epoch."""
        return data.num_train // self.batch

    def phase(self, data: Any, half: int | None) -> range:
        """The iterations of the whole run, or of its first or second half."""
        length = self.epochs * self.epoch(data)
        borders = {None: (0, length), 0: (0, length // 2), 1: (length // 2, length)}
        return range(*borders[half])


class Stopwatch:
    """Seconds of what is timed, over all processes that went on with it: those of
    a core, or where a GPU works those that pass."""

    def __init__(self, device: torch.device) -> None:
        self.seconds = 0.0
        on_cpu = device.type == 'cpu'
        self._now = time.process_time if on_cpu else time.perf_counter

    @contextmanager
    def running(self) -> Iterator[None]:
        """Time what runs inside."""
        start = self._now()
        try:
            yield
        finally:
            self.seconds += self._now() - start

    def state_dict(self) -> dict[str, float]:
        """For a checkpoint."""
        return dict(seconds=self.seconds)

    def load_state_dict(self, state: dict[str, float]) -> None:
        """Go on counting."""
        self.seconds = state['seconds']


def rate_at(peak: float, done: float) -> float:
    """The learning rate when a ratio of a phase is done."""
    if done < _WARM_UP:
        return peak * (0.05 + 0.95 * done / _WARM_UP)
    return cosine(peak, 0.0, (done - _WARM_UP) / (1 - _WARM_UP))


def run_phase(
    path: Path,
    parts: dict[str, Any],
    step: Callable[[dict, float], None],
    data: Any,
    recipe: Recipe,
    half: int | None,
) -> float:
    """Make the steps of a phase that its checkpoint lacks.

    Args:
        path: The checkpoint, written after every epoch.
        parts: What has a ``state_dict``.
        step: Makes a step with a batch and a ratio of the peak rate.
        data: The images.
        recipe: Length, batches.
        half: None for the whole run, 0 or 1 for a half of it.

    Returns:
        Seconds that it took.
    """
    numbers, watch = recipe.phase(data, half), Stopwatch(data.device)

    def numbered(done: int) -> None:
        with watch.running():
            batch = data.train_batch(recipe.seed, numbers[done], recipe.batch)
            step(batch, rate_at(1.0, done / len(numbers)))

    train(path, {**parts, 'watch': watch}, numbered, len(numbers), recipe.epoch(data))
    return watch.seconds


def train_net(
    path: Path, net: nn.Module, data: Any, recipe: Recipe, half: int | None = None
) -> float:
    """Train a plain network on a CPU for a phase; see :func:`run_phase`."""
    net.to(memory_format=torch.channels_last).train()
    peak = TUNING_RATE if half == 1 else RATE
    optimiser = torch.optim.SGD(net.parameters(), peak, **SGD)

    def step(batch: dict, ratio: float) -> None:
        optimiser.param_groups[0]['lr'] = peak * ratio
        with torch.autocast('cpu', dtype=torch.bfloat16):
            loss = net(**batch, mode='loss')['loss']
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()

    parts = dict(net=net, optimiser=optimiser)
    return run_phase(path, parts, step, data, recipe, half)


@torch.no_grad()
def correct(net: nn.Module, data: Any) -> int:
    """Test images that are classified correctly, in float32, where they are."""
    net.to(data.device).eval()
    with torch.backends.cudnn.flags(enabled=True, allow_tf32=False):
        return sum(
            int((net(images).argmax(1) == labels).sum())
            for images, labels in data.test_batches()
        )
