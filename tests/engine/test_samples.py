"""Samples that can't be used are named."""

import copy
import itertools
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from mmengine.structures import InstanceData, PixelData
from mmpretrain.structures import DataSample
from torch.utils.data import ConcatDataset, DataLoader, Dataset

from mmdmcp.apis import test as run_test
from mmdmcp.apis import train
from mmdmcp.engine.samples import (
    Outputs,
    SampleError,
    _watch_loader,
    watch,
    wrong_label,
)
from mmdmcp.errors import DataError

ROOT = Path(__file__).parents[2]
CONFIG = str(ROOT / 'configs' / 'pruning' / 'dmcp' / 'resnet14_digits.py')
TEN = Outputs('model.head.num_classes', 10, 255)


class Numbers(Dataset):
    """0 to 9; one of them can't be read."""

    def __init__(self, bad=5):
        self.bad = bad

    def __len__(self):
        return 10

    def __getitem__(self, index):
        if index >= 10:
            raise IndexError(index)
        if index == self.bad:
            raise cv2.error('(-215:Assertion failed) !buf.empty() in function')
        return index

    def get_data_info(self, index):
        return dict(sample_idx=index, img_path=f'{index}.jpg')


@pytest.mark.parametrize('workers', [0, 1])
@pytest.mark.parametrize('inside', [False, True])
def test_any_exception_names_the_sample(workers, inside):
    dataset = ConcatDataset([Numbers(-1), Numbers()]) if inside else Numbers()
    loader = DataLoader(dataset, batch_size=4, num_workers=workers)
    _watch_loader(loader, TEN)
    with pytest.raises(SampleError) as error:
        list(loader)
    assert str(error.value) == (
        "sample 5 of the Numbers (5.jpg) can't be read: error: "
        '(-215:Assertion failed) !buf.empty() in function'
    )


def test_a_watched_data_set_is_what_it_was():
    dataset = Numbers(bad=-1)
    watch(dataset)
    watch(dataset)
    assert isinstance(dataset, Numbers) and type(dataset).__name__ == 'Numbers'
    # Python ends a loop over it at its IndexError.
    assert list(itertools.chain(dataset)) == list(range(10))
    assert type(Numbers()) is Numbers


def of_pixels(*values):
    sample = DataSample()
    sample.gt_sem_seg = PixelData(data=torch.tensor([[values]]))
    return sample


def of_boxes(*values):
    sample = DataSample()
    sample.gt_instances = InstanceData(labels=torch.tensor(values, dtype=torch.long))
    return sample


@pytest.mark.parametrize(
    'sample, wrong',
    [
        (DataSample().set_gt_label(9), None),
        (DataSample().set_gt_label(10), 10),
        (DataSample().set_gt_label([0, 12]), 12),
        (of_boxes(), None),
        (of_boxes(0, 9), None),
        (of_boxes(0, -1), -1),
        (of_pixels(0, 9, 255), None),
        (of_pixels(0, 10, 255), 10),
        (DataSample(), None),
        (None, None),
    ],
)
def test_labels_that_no_output_stands_for(sample, wrong):
    assert wrong_label(sample, TEN) == wrong


# ---- folders of images, through mmpretrain ----------------------------


@pytest.fixture
def images(tmp_path):
    """Two classes of four images."""
    for kind in 'ab':
        (tmp_path / 'data' / kind).mkdir(parents=True)
        for index in range(4):
            pixels = np.full((8, 8, 3), 10 * index, np.uint8)
            cv2.imwrite(str(tmp_path / 'data' / kind / f'{index}.png'), pixels)
    return tmp_path / 'data'


def dataset(images, **kwargs):
    return dict(
        type='CustomDataset',
        data_root=str(images),
        pipeline=[dict(type='LoadImageFromFile'), dict(type='PackInputs')],
        **kwargs,
    )


def options(images, workers=0, batch_size=4, **kwargs):
    loader = dict(
        batch_size=batch_size,
        num_workers=workers,
        dataset=dataset(images, **kwargs),
        sampler=dict(type='DefaultSampler', shuffle=False),
    )
    return {
        'train_dataloader': dict(loader, _delete_=True),
        'val_dataloader': dict(loader, _delete_=True),
        'test_dataloader': dict(loader, _delete_=True),
        'model.backbone.in_channels': 3,
        'model.backbone.depth': 8,
        'data_preprocessor': dict(num_classes=10, mean=[0.0], std=[1.0]),
        'train_cfg.max_epochs': 1,
    }


def message(tmp_path, settings, command=train):
    with pytest.raises(DataError) as error:
        if command is train:
            train(CONFIG, work_dir=str(tmp_path / 'w'), cfg_options=settings)
        else:
            run_test(
                CONFIG,
                str(tmp_path / 'a.pth'),
                work_dir=str(tmp_path / 'w'),
                cfg_options=settings,
            )
    return str(error.value)


@pytest.mark.parametrize('workers', [0, 1])
def test_an_empty_image(tmp_path, images, workers):
    (images / 'b' / '1.png').write_bytes(b'')
    text = message(tmp_path, options(images, workers))
    assert f'sample 5 of the CustomDataset ({images}/b/1.png)' in text
    assert 'batch 1 of epoch 1' in text and '--resume' in text
    assert 'Traceback' not in text


def test_an_empty_image_in_the_test(tmp_path, images):
    from mmengine.config import Config

    from mmdmcp.registry import MODELS

    (images / 'b' / '1.png').write_bytes(b'')
    cfg = Config.fromfile(CONFIG)
    cfg.merge_from_dict(options(images))
    with MODELS.switch_scope_and_registry('mmpretrain'):
        torch.save(MODELS.build(cfg.model).state_dict(), tmp_path / 'a.pth')
    assert f'({images}/b/1.png)' in message(tmp_path, options(images), run_test)


def test_a_broken_line_of_annotations(tmp_path, images):
    (images / 'list.txt').write_text('a/0.png 0\na/1.png\n')
    text = message(tmp_path, options(images, ann_file='list.txt'))
    assert f"Line 2 of {images}/list.txt is 'a/1.png'" in text
    assert text.startswith('train_dataloader')


def test_a_label_out_of_range(tmp_path, images):
    (images / 'list.txt').write_text('a/0.png 0\na/1.png 10\n')
    text = message(tmp_path, options(images, ann_file='list.txt'))
    assert f'({images}/a/1.png) has the label 10' in text
    assert 'model.head.num_classes=10' in text


def test_classes_without_images(tmp_path, images):
    for path in images.glob('*/*'):
        path.unlink()
    assert 'train_dataloader: the data set' in message(tmp_path, options(images))


def test_fewer_samples_than_a_batch(tmp_path, images):
    settings = options(images, batch_size=64)
    settings['train_dataloader']['drop_last'] = True
    text = message(tmp_path, settings)
    assert '8 samples are fewer than a batch of 64' in text


@pytest.mark.parametrize('workers', [0, 1])
def test_watching_changes_no_number(tmp_path, images, workers, monkeypatch):
    import mmdmcp.apis

    settings = options(images, workers)
    flip = dict(type='RandomFlip', prob=0.5, direction='horizontal')
    settings['train_dataloader']['dataset']['pipeline'].insert(1, flip)
    settings['default_hooks.checkpoint.interval'] = 1
    found = []
    for name in ('watched', 'unwatched'):
        if name == 'unwatched':
            monkeypatch.setattr(mmdmcp.apis, 'watch_samples', lambda runner: None)
        train(
            CONFIG,
            work_dir=str(tmp_path / name),
            validate=False,
            cfg_options=copy.deepcopy(settings),
        )
        path = tmp_path / name / 'epoch_1.pth'
        found.append(torch.load(path, weights_only=True)['state_dict'])
    for key, value in found[0].items():
        assert torch.equal(found[1][key], value), key
