"""Scikit-learn's handwritten digits: real images that ship in a package."""

import hashlib

import numpy as np
from mmpretrain.datasets import BaseDataset

from ..errors import ConfigError, DataError
from ..registry import DATASETS

SPLITS = ('train', 'val', 'test')
# Of every five images of a class, shuffled by `_card`, three are
# for training, one for validation and one for testing.
DEAL = ('train', 'train', 'val', 'test', 'train')


@DATASETS.register_module()
class Digits(BaseDataset):
    """1,797 greyscale 8x8 images of the digits 0 to 9.

    The test part of the UCI 'Optical Recognition of Handwritten Digits' set
    (Alpaydin and Kaynak 1998, CC BY 4.0), as it comes with scikit-learn:
    nothing is downloaded. The images are split once and for all, class by
    class, into 1,079 for training, 359 for validation and 359 for testing.

    A sample has ``img``, uint8 ``[8, 8, 1]`` with values 0 to 240 (the
    original 0 to 16, times 15), and ``gt_label``.

    Args:
        split (str): 'train', 'val' or 'test'.
        **kwargs: Further arguments of mmpretrain's ``BaseDataset``, such as
            ``pipeline``, ``indices`` and ``test_mode``.

    Raises:
        ConfigError: If ``split`` is none of the three.
        DataError: If scikit-learn is not installed.

    Example:
        >>> from mmdmcp.datasets import Digits
        >>> len(Digits('train')), len(Digits('val')), len(Digits('test'))
        (1079, 359, 359)
    """

    METAINFO = {
        'classes': (
            'zero',
            'one',
            'two',
            'three',
            'four',
            'five',
            'six',
            'seven',
            'eight',
            'nine',
        )
    }

    def __init__(self, split: str, **kwargs) -> None:
        if split not in SPLITS:
            raise ConfigError(
                f'split={split!r} of mmdmcp.Digits: choose one of {", ".join(SPLITS)}'
            )
        self.split = split
        super().__init__(ann_file='', **kwargs)

    def load_data_list(self) -> list[dict]:
        """The samples of the split, in the order of the data set."""
        try:
            from sklearn.datasets import load_digits
        except ImportError as error:
            raise DataError(
                'mmdmcp.Digits reads the images that come with '
                'scikit-learn: pip install scikit-learn'
            ) from error
        digits = load_digits()
        images = (digits.images * 15).astype(np.uint8)[..., None]
        labels = digits.target
        return [
            dict(img=images[i], gt_label=int(labels[i]))
            for i in split_indices(labels)[self.split]
        ]

    def extra_repr(self) -> list[str]:
        return [f'Split: \t{self.split}']


def split_indices(labels: np.ndarray) -> dict[str, list[int]]:
    """Deal the samples, sorted by class, to the three splits.

    The order within a class comes from a hash and not from a random
    generator: no release of NumPy or scikit-learn can change it, so
    accuracies stay comparable.

    Args:
        labels (np.ndarray): Class of each sample, ``[samples]``.

    Returns:
        dict[str, list[int]]: Sorted sample indices of each split.
    """
    order = sorted(range(len(labels)), key=lambda i: (labels[i], _card(i)))
    splits: dict[str, list[int]] = {name: [] for name in SPLITS}
    for position, index in enumerate(order):
        splits[DEAL[position % len(DEAL)]].append(index)
    return {name: sorted(indices) for name, indices in splits.items()}


def _card(index: int) -> bytes:
    return hashlib.sha256(f'digit {index}'.encode()).digest()
