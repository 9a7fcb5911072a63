"""Small versions of the downstream configs, on real data.

They need mmdet, mmseg and mmcv with its operators, which live in an
environment of their own: ``make test-downstream``.
"""

from pathlib import Path

import pytest
import torch

CONFIGS = Path(__file__).parents[2] / 'configs'
SUBNET = CONFIGS / 'pruning' / 'dmcp' / 'DMCP_SUBNET_IMAGENET.yaml'


def pytest_addoption(parser):
    parser.addoption(
        '--every-model', action='store_true', help='all rows of docs/models.md'
    )


def pytest_collection_modifyitems(config, items):
    if config.getoption('--every-model', False):
        return
    skip = pytest.mark.skip(reason='a slow row of the table: --every-model')
    for item in items:
        if 'every_model' in item.keywords:
            item.add_marker(skip)


@pytest.fixture(autouse=True)
def _packages():
    for package in ('mmdet', 'mmseg'):
        pytest.importorskip(package, reason=f'needs {package}: make test-downstream')


@pytest.fixture(scope='session')
def subnet_file():
    """The published ResNet-50."""
    return str(SUBNET)


@pytest.fixture(scope='session')
def checkpoint(tmp_path_factory):
    """A pruned ResNet-50 classifier as retraining leaves it (untrained)."""
    from mmdmcp.deploy import load_pair

    torch.manual_seed(0)
    model = load_pair(
        str(CONFIGS / 'pruning/dmcp/dmcp_resnet50_subnet_8xb32.py'), str(SUBNET)
    ).build_pruned()
    path = tmp_path_factory.mktemp('classifier') / 'epoch_100.pth'
    torch.save(dict(meta={}, state_dict=model.state_dict()), path)
    return str(path)


@pytest.fixture
def load(checkpoint):
    """Load a shipped config, with the classifier's weights."""

    def use(name):
        from mmdmcp.preflight.config import load_config

        cfg = load_config(str(CONFIGS / name))
        cfg.model.backbone.init_cfg.checkpoint = checkpoint
        return cfg

    return use


@pytest.fixture
def shorten(tmp_path):
    """Write a config that is over after a few iterations.

    One validation and one checkpoint at the end.
    """

    def use(cfg, iterations):
        cfg.train_cfg = dict(
            type='IterBasedTrainLoop', max_iters=iterations, val_interval=iterations
        )
        cfg.param_scheduler = [
            dict(type='LinearLR', start_factor=0.1, by_epoch=False, end=iterations)
        ]
        cfg.default_hooks.checkpoint = dict(
            type='CheckpointHook', by_epoch=False, interval=iterations
        )
        cfg.default_hooks.logger = dict(type='LoggerHook', interval=1)
        cfg.randomness = dict(seed=0)
        cfg.tta_model = cfg.tta_pipeline = None
        path = str(tmp_path / 'small.py')
        cfg.dump(path)
        return path

    return use


@pytest.fixture
def bccd(data_root):
    """Put blood cells into a detector's config: 3 classes, small images."""

    def use(cfg):
        root = f'{data_root}/bccd/'
        meta = dict(classes=('RBC', 'WBC', 'Platelets'))
        resize = dict(type='Resize', scale=(160, 120), keep_ratio=True)
        train, test = cfg.train_dataloader, cfg.val_dataloader
        train.dataset.pipeline[2] = test.dataset.pipeline[1] = resize
        for loader, part in ((train, 'train'), (test, 'val')):
            loader.num_workers, loader.batch_size = 0, 2
            loader.persistent_workers = False
            loader.dataset.update(
                data_root=root,
                ann_file=f'annotations/{part}.json',
                data_prefix=dict(img='images/'),
                metainfo=meta,
                indices=4,
            )
        train.sampler = dict(type='InfiniteSampler', shuffle=True)
        cfg.test_dataloader = test
        for name in ('val_evaluator', 'test_evaluator'):
            cfg[name].ann_file = root + 'annotations/val.json'
        return cfg

    return use


@pytest.fixture
def camvid(data_root):
    """Put road scenes into a segmentor's config: 11 classes."""

    def use(cfg):
        size = (96, 96)
        classes = (
            'sky',
            'building',
            'pole',
            'road',
            'pavement',
            'tree',
            'sign',
            'fence',
            'car',
            'pedestrian',
            'bicyclist',
        )
        palette = [[20 * i, 255 - 20 * i, 60] for i in range(11)]
        common = dict(
            type='BaseSegDataset',
            data_root=f'{data_root}/camvid_240',
            metainfo=dict(classes=classes, palette=palette),
            ignore_index=11,
        )
        image = dict(type='LoadImageFromFile')
        labels = dict(type='LoadAnnotations')
        pack = dict(type='PackSegInputs')
        train = [
            image,
            labels,
            dict(type='RandomCrop', crop_size=size),
            dict(type='RandomFlip', prob=0.5),
            pack,
        ]
        # Predictions are resized to the labels, which keep their size.
        val = [image, dict(type='Resize', scale=(128, 96)), labels, pack]
        for loader, part, pipeline in (
            (cfg.train_dataloader, 'train', train),
            (cfg.val_dataloader, 'val', val),
        ):
            loader.num_workers, loader.persistent_workers = 0, False
            loader.batch_size = 2 if part == 'train' else 1
            loader.dataset = dict(
                common,
                data_prefix=dict(
                    img_path=f'img_dir/{part}', seg_map_path=f'ann_dir/{part}'
                ),
                pipeline=pipeline,
                indices=4,
            )
        cfg.test_dataloader = cfg.val_dataloader
        model = cfg.model
        model.data_preprocessor.update(size=size, seg_pad_val=11)
        for head in (model.decode_head, model.auxiliary_head):
            head.update(num_classes=11, ignore_index=11)
        return cfg

    return use
