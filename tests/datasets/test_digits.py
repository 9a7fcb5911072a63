"""The embedded data set and its split."""

import functools
import operator

import numpy as np
import pytest
from sklearn.datasets import load_digits

from mmdmcp.datasets import Digits
from mmdmcp.datasets.digits import split_indices
from mmdmcp.errors import ConfigError, DataError

SIZES = dict(train=1079, val=359, test=359)
FIRSTS = dict(
    train=[1, 3, 4, 7, 9, 11], val=[0, 2, 5, 8, 10, 21], test=[6, 14, 18, 23, 28, 31]
)


@pytest.fixture(scope='module')
def splits():
    return {name: Digits(name) for name in SIZES}


def test_splits_are_disjoint_and_cover_everything():
    labels = np.repeat(np.arange(10), 180)[:1797]
    parts = split_indices(labels)
    together = functools.reduce(operator.iadd, parts.values(), [])
    assert sorted(together) == list(range(1797))
    assert {k: len(v) for k, v in parts.items()} == SIZES


def test_every_class_is_split_three_to_one_to_one(splits):
    counts = {
        name: np.bincount(split.get_gt_labels(), minlength=10)
        for name, split in splits.items()
    }
    total = sum(counts.values())
    for name, share in dict(train=3 / 5, val=1 / 5, test=1 / 5).items():
        assert np.abs(counts[name] - share * total).max() < 2


def test_the_split_never_changes():
    """Whatever NumPy and scikit-learn are installed."""
    parts = split_indices(load_digits().target)
    assert {name: part[:6] for name, part in parts.items()} == FIRSTS


def test_images_are_scikit_learns(splits):
    digits = load_digits()
    info = splits['val'].get_data_info(7)
    index = split_indices(digits.target)['val'][7]
    assert info['img'].shape == (8, 8, 1) and info['img'].dtype == np.uint8
    assert np.array_equal(info['img'][..., 0] / 15, digits.images[index])
    assert info['gt_label'] == digits.target[index]


def test_stock_transforms_apply():
    import mmpretrain.datasets  # noqa: F401 registers the transforms

    dataset = Digits(
        'train',
        pipeline=[
            dict(type='RandomCrop', crop_size=8, padding=1),
            dict(type='PackInputs'),
        ],
    )
    sample = dataset[3]
    assert sample['inputs'].shape == (1, 8, 8)
    assert sample['data_samples'].gt_label.item() in range(10)


def test_classes_have_names(splits):
    assert splits['train'].CLASSES[7] == 'seven'
    assert splits['train'].class_to_idx['nine'] == 9


def test_unknown_split_is_named():
    with pytest.raises(ConfigError, match='training.*train, val, test'):
        Digits('training')


def test_missing_scikit_learn_says_what_to_install(monkeypatch):
    monkeypatch.setitem(__import__('sys').modules, 'sklearn.datasets', None)
    with pytest.raises(DataError, match='pip install scikit-learn'):
        Digits('train')
