"""CIFAR-10 in memory: every batch is a function of the seed and its number.

So a search that was killed goes on with the batches it would have met. Every
tenth training image is held out to rank networks with, as the CIFAR-10
configs do it. Test images are not read: the tables' accuracies are theirs.
"""

import pickle
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

_MEAN = (125.307, 122.961, 113.8575)
_STD = (51.5865, 50.847, 51.255)
_PAD = 4


class CIFAR10:
    """Training and held-out images, normalised.

    Args:
        root: The folder that holds ``cifar-10-batches-py``.
        size: Height and width of the images, a divisor of 32: fewer pixels
            are means of several.
        device: Where the images are. Batches do not depend on it.

    Raises:
        FileNotFoundError: If the images are not there.
    """

    def __init__(self, root: str | Path, size: int = 32, device: str = 'cpu') -> None:
        self.device = torch.device(device)
        self._pooled = 32 // size
        images, labels = [], []
        for number in range(1, 6):
            path = Path(root, 'cifar-10-batches-py', f'data_batch_{number}')
            with open(path, 'rb') as file:
                # The file as its authors wrote it, by its documented reader.
                content = pickle.load(file, encoding='bytes')
            images.append(content[b'data'])
            labels += content[b'labels']
        pixels = torch.from_numpy(np.concatenate(images)).view(-1, 3, 32, 32)
        self._mean = torch.tensor(_MEAN, device=device).view(3, 1, 1)
        self._std = torch.tensor(_STD, device=device).view(3, 1, 1)
        self._epoch: tuple[tuple[int, int], Tensor] | None = None
        held = torch.arange(len(pixels)) % 10 == 0
        self._train, self._train_labels = self._put(pixels, labels, ~held)
        self._val, self._val_labels = self._put(pixels, labels, held)

    def _put(
        self, pixels: Tensor, labels: list[int], chosen: Tensor | slice = slice(None)
    ) -> tuple[Tensor, Tensor]:
        return (
            pixels[chosen].to(self.device),
            torch.tensor(labels)[chosen].to(self.device),
        )

    @property
    def num_train(self) -> int:
        """Images to train with."""
        return len(self._train)

    def train_batch(self, seed: int, number: int, batch: int) -> dict[str, Tensor]:
        """Batch ``number`` of a run: shuffled, cropped, flipped."""
        length = self.num_train // batch
        start = number % length * batch
        chosen = self._order(seed, number // length)[start : start + batch]
        images = self._augmented(chosen, _generator(seed, 1, number))
        return dict(inputs=self._sized(images), data_samples=self._train_labels[chosen])

    def _order(self, seed: int, epoch: int) -> Tensor:
        """The images' order, kept while the epoch lasts."""
        if self._epoch is None or self._epoch[0] != (seed, epoch):
            generator = _generator(seed, 0, epoch)
            order = torch.randperm(self.num_train, generator=generator)
            self._epoch = (seed, epoch), order.to(self.device)
        return self._epoch[1]

    def val_batches(self, images: int, batch: int = 250) -> list[dict[str, Tensor]]:
        """The first held-out images."""
        return [
            dict(
                inputs=self._sized(self._normalised(self._val[i : i + batch])),
                data_samples=self._val_labels[i : i + batch],
            )
            for i in range(0, images, batch)
        ]

    def _augmented(self, chosen: Tensor, generator: torch.Generator) -> Tensor:
        """Random crops of the padded images, half of them mirrored."""
        images = torch.nn.functional.pad(
            self._normalised(self._train[chosen]), (_PAD,) * 4
        )
        count = len(chosen)
        shifts = torch.randint(2 * _PAD + 1, (2, count, 1), generator=generator)
        steps = torch.arange(32)
        rows, columns = shifts + steps  # [N, 32] each
        mirrored = torch.rand(count, 1, generator=generator) < 0.5
        columns = torch.where(mirrored, columns.flip(1), columns)
        rows, columns = rows.to(self.device), columns.to(self.device)
        number = torch.arange(count, device=self.device)[:, None, None]
        # Indexing moves the channels to the end: channels_last in memory.
        crops = images[number, :, rows[:, :, None], columns[:, None, :]]
        return crops.permute(0, 3, 1, 2)

    def _sized(self, images: Tensor) -> Tensor:
        if self._pooled == 1:
            return images
        images = torch.nn.functional.avg_pool2d(images, self._pooled)
        return images.contiguous(memory_format=torch.channels_last)

    def _normalised(self, pixels: Tensor) -> Tensor:
        images = (pixels.float() - self._mean) / self._std
        return images.contiguous(memory_format=torch.channels_last)


def _generator(*key: int) -> torch.Generator:
    """A generator of its own for each key."""
    seed = np.random.SeedSequence(key).generate_state(1, np.uint64)[0]
    return torch.Generator().manual_seed(int(seed) >> 1)
