"""The tables: what every choice of widths costs and how accurate it is."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from torch import nn

from .networks import ChannelBenchNet, Classifier, NATSNet
from .smoothing import smooth

#: A found network is compared with those of 0.97 to 1.01 times its cost.
BAND = (0.97, 1.01)


@dataclass(frozen=True)
class Place:
    """Where a network stands among those of its cost.

    Attributes:
        accuracy: Its test accuracy after full training, in percent.
        percentile: Share of the band that is less accurate, in percent.
        smoothed: The same by smoothed accuracies: without the luck of single
            trainings.
        median: Of the band's accuracies.
        best: Of the band's accuracies.
        share: Its multiply-accumulates as a share of the full network's.
    """

    accuracy: float
    percentile: float
    smoothed: float
    median: float
    best: float
    share: float


class Table:
    """Every network of a search space, trained by others.

    Args:
        name: ``'nats'`` or ``'channel_bench'``.
        network: The class of its networks.
        widths: ``[networks, positions]``.
        trainings: ``[networks, trainings]``, test accuracies in percent.
        macs: ``[networks]``.
        epochs: That each network was trained for.
    """

    #: The band's, as few networks of a table are within the shipped 0.01.
    tolerance = 0.03
    logits = 'net.fc'

    def __init__(
        self,
        name: str,
        network: type[nn.Module],
        widths: np.ndarray,
        trainings: np.ndarray,
        macs: np.ndarray,
        params: np.ndarray,
        epochs: int,
    ) -> None:
        self.name, self.network, self.epochs = name, network, epochs
        self.widths, self.trainings = widths.astype(int), trainings.astype(float)
        # Rounded, so that equal means are equal.
        self.accuracy = self.trainings.mean(axis=1).round(6)
        self.macs, self.params = macs.astype(int), params.astype(int)
        self.full = self.widths.max(axis=0)
        self._rows = {tuple(row): i for i, row in enumerate(self.widths.tolist())}

    @property
    def candidates(self) -> list[tuple[int, ...]]:
        """The widths that each position may take, ascending."""
        return [tuple(np.unique(column).tolist()) for column in self.widths.T]

    @property
    def full_macs(self) -> int:
        """Multiply-accumulates of the full network."""
        return int(self.macs.max())

    @cached_property
    def smoothed(self) -> np.ndarray:
        """Accuracies without the luck of single trainings, ``[networks]``."""
        return smooth(self.widths, self.accuracy)

    def model(self) -> nn.Module:
        """The full network, made for a search."""
        return Classifier(self.network(self.full.tolist(), search=True))

    def mutator(self, options: dict) -> dict:
        """Config of DMCP's mutator on the table's widths."""
        return dict(type='TableMutator', table=self, **options)

    def row(self, widths: Sequence[int]) -> int:
        """The row of a network.

        Raises:
            KeyError: If the table lacks these widths.
        """
        return self._rows[tuple(widths)]

    def band(self, macs: float) -> np.ndarray:
        """Rows of the networks that cost about as much."""
        low, high = (bound * macs for bound in BAND)
        return np.flatnonzero((self.macs >= low) & (self.macs <= high))

    def place(self, widths: Sequence[int]) -> Place:
        """Where a network stands in its band."""
        row = self.row(widths)
        rows = self.band(self.macs[row])
        accuracies, own = self.accuracy[rows], self.accuracy[row]
        worse = self.smoothed[rows] < self.smoothed[row]
        return Place(
            accuracy=round(float(own), 3),
            percentile=round(100 * float((accuracies < own).mean()), 2),
            smoothed=round(100 * float(worse.mean()), 2),
            median=round(float(np.median(accuracies)), 3),
            best=round(float(accuracies.max()), 3),
            share=round(float(self.macs[row] / self.full_macs), 4),
        )

    def nearest(self, widths: Sequence[float], target: float) -> list[int]:
        """The network at the target whose shape is nearest.

        Of those that cost 0.97 to 1.01 times the target: the one whose
        widths, as shares of the full ones, are nearest in least squares.

        Args:
            widths: One a position, not necessarily the table's.
            target: Multiply-accumulates.
        """
        rows = self.band(target)
        gaps = (self.widths[rows] - np.asarray(widths)) / self.full
        return self.widths[rows[(gaps**2).sum(axis=1).argmin()]].tolist()

    def uniform(self, share: float) -> list[int]:
        """The network at a share of the full cost that narrows all positions
        alike."""
        return self.nearest(self.full * share**0.5, share * self.full_macs)


def load(name: str, folder: str | Path) -> Table:
    """Read a table.

    Args:
        name: ``'nats'`` or ``'channel_bench'``.
        folder: Where the ``.npz`` files are.

    Raises:
        FileNotFoundError: If it is not there.
    """
    return LOADERS[name](Path(folder))


def _nats(folder: Path) -> Table:
    data = np.load(folder / 'nats_sss_cifar10.npz')
    accuracy = 100 * data['correct'].astype(float) / int(data['images'])
    # The table counts the ten biases of the classifier.
    return Table(
        'nats',
        NATSNet,
        data['widths'],
        accuracy[:, None],
        data['macs'],
        data['params'],
        90,
    )


def _channel_bench(folder: Path) -> Table:
    data = np.load(folder / 'channel_bench_macro_resnet.npz')
    full = np.array([256] * 3 + [512] * 4)
    return Table(
        'channel_bench',
        ChannelBenchNet,
        full * data['arch'] // 4,
        data['acc_x100'] / 100,
        data['flops'],
        data['params'],
        60,
    )


#: The tables by name.
LOADERS = {'nats': _nats, 'channel_bench': _channel_bench}
