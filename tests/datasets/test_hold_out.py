"""A part of a training set, held out."""

import numpy as np
import pytest

from mmdmcp.datasets import Digits, HoldOut
from mmdmcp.errors import ConfigError, DataError
from mmdmcp.registry import DATASETS


def images(dataset):
    return [dataset.get_data_info(i)['img'].tobytes() for i in range(len(dataset))]


def test_the_two_parts_are_the_whole():
    whole = images(Digits('train'))
    train = images(HoldOut('mmdmcp.Digits', 'train', 10, split='train'))
    held = images(HoldOut('mmdmcp.Digits', 'val', 10, split='train'))
    assert held == whole[9::10]
    assert sorted(train + held) == sorted(whole)


def test_a_set_sorted_by_class_is_held_out_evenly(tmp_path):
    """Folders of 7 and 5 images: every third, in the order of reading."""
    for name, number in (('cat', 7), ('dog', 5)):
        (tmp_path / name).mkdir()
        for i in range(number):
            (tmp_path / name / f'{i}.png').touch()
    cfg = dict(
        type='mmdmcp.HoldOut',
        of='mmpretrain.CustomDataset',
        every=3,
        data_root=str(tmp_path),
    )
    held = DATASETS.build(dict(part='val', **cfg))
    assert held.get_gt_labels().tolist() == [0, 0, 1, 1]
    train = DATASETS.build(dict(part='train', **cfg))
    assert np.bincount(train.get_gt_labels()).tolist() == [5, 3]
    assert train.CLASSES == ('cat', 'dog')


@pytest.mark.parametrize(
    'kwargs, word',
    [
        (dict(part='test'), 'part'),
        (dict(part='val', every=1), 'every'),
        (dict(part='val', every=0.1), 'every'),
    ],
)
def test_wrong_arguments_are_named(kwargs, word):
    with pytest.raises(ConfigError, match=word):
        HoldOut('mmdmcp.Digits', split='train', **kwargs)


def test_missing_data_names_the_folder_and_the_option(tmp_path):
    with pytest.raises(DataError, match='nowhere.*data_root=FOLDER'):
        HoldOut('mmpretrain.CustomDataset', 'val', data_root=str(tmp_path / 'nowhere'))


def test_an_empty_folder_is_missing_data_too(tmp_path):
    with pytest.raises(DataError, match='Cannot find CIFAR10.*data_root'):
        HoldOut('mmpretrain.CIFAR10', 'train', data_root=str(tmp_path), download=False)


def test_a_set_smaller_than_the_stride_is_refused():
    with pytest.raises(DataError, match='4 samples'):
        HoldOut('mmdmcp.Digits', 'val', 10, split='train', indices=4)
