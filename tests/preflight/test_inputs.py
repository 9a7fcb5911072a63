"""What a run will read is checked before anything is built."""

import re

import pytest
import torch
from mmengine.config import Config

from mmdmcp.errors import CheckpointError, DataError
from mmdmcp.preflight.inputs import check_checkpoint, check_data, check_pretrained

LOADERS = ('train_dataloader', 'val_dataloader')


def config(**dataset):
    dataset = {'type': 'CustomDataset', **dataset}
    return Config(
        dict(
            default_scope='mmpretrain',
            train_dataloader=dict(batch_size=2, dataset=dataset),
        )
    )


def message(cfg, loaders=LOADERS):
    with pytest.raises(DataError) as error:
        check_data(cfg, loaders)
    return str(error.value)


@pytest.fixture
def data(tmp_path):
    """Data in OpenMMLab's usual layout."""
    (tmp_path / 'train').mkdir()
    (tmp_path / 'meta').mkdir()
    (tmp_path / 'meta' / 'train.txt').touch()
    return tmp_path


def test_what_exists_passes(data):
    check_data(
        config(
            data_root=str(data),
            ann_file='meta/train.txt',
            data_prefix=dict(img_path='train', other=''),
        ),
        LOADERS,
    )


def test_missing_root_names_loader_path_and_remedy(tmp_path):
    root = tmp_path / 'data' / 'imagenet'
    text = message(config(data_root=str(root), type='ImageNet', split='train'))
    assert text.startswith('train_dataloader: data_root')
    assert str(root) in text and 'ImageNet' in text
    assert '--cfg-options train_dataloader.dataset.data_root=/path/to/data' in text


def test_relative_root_is_shown_in_full(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert str(tmp_path / 'data') in message(config(data_root='data'))


@pytest.mark.parametrize(
    'part, value',
    [
        ('ann_file', dict(ann_file='meta/nope.txt')),
        ('data_prefix', dict(data_prefix='nope')),
        ('data_prefix', dict(data_prefix=dict(img_path='train', seg='nope'))),
    ],
)
def test_missing_parts(data, part, value):
    text = message(config(data_root=str(data), **value))
    assert text.startswith(f'train_dataloader: {part} ')
    assert str(data) in text


def test_file_without_a_root_is_corrected_itself(tmp_path):
    text = message(config(ann_file=str(tmp_path / 'a.json')))
    assert 'train_dataloader.dataset.ann_file=/path/to/data' in text


def test_all_loaders_are_reported_together(tmp_path):
    cfg = config(data_root=str(tmp_path / 'a'))
    cfg.val_dataloader = dict(dataset=dict(data_root=str(tmp_path / 'b')))
    text = message(cfg)
    assert re.search('^train_dataloader: ', text, re.MULTILINE)
    assert re.search('^val_dataloader: ', text, re.MULTILINE)
    assert (
        'train_dataloader.dataset.data_root=/path/to/data '
        'val_dataloader.dataset.data_root=/path/to/data'
    ) in text


def test_loaders_that_are_not_built_are_not_looked_at(tmp_path):
    cfg = config(data_root=str(tmp_path))
    cfg.test_dataloader = dict(dataset=dict(data_root='nowhere'))
    cfg.val_dataloader = None
    check_data(cfg, LOADERS)


def test_datasets_inside_wrappers(tmp_path):
    inner = dict(type='CustomDataset', data_root=str(tmp_path / 'no'))
    cfg = config()
    cfg.train_dataloader.dataset = dict(
        type='RepeatDataset',
        dataset=dict(type='ConcatDataset', datasets=[dict(), inner]),
    )
    assert 'train_dataloader.dataset.dataset.datasets.1.data_root=' in message(cfg)


def test_the_remedy_is_one(tmp_path):
    """The option that the error prints does correct the config."""
    cfg = config(data_root=str(tmp_path / 'no'))
    option = re.search(r'--cfg-options (\S+)=', message(cfg)).group(1)
    cfg.merge_from_dict({option: str(tmp_path)})
    check_data(cfg, LOADERS)


def test_data_behind_urls_and_file_clients_is_not_looked_for():
    check_data(config(data_root='s3://bucket/data'), LOADERS)
    check_data(config(data_root='data', backend_args=dict(backend='petrel')), LOADERS)


def test_datasets_that_download_themselves(tmp_path):
    """mmpretrain's CIFAR10 downloads unless told otherwise."""
    root = str(tmp_path / 'no')
    check_data(config(type='CIFAR10', data_root=root), LOADERS)
    check_data(config(type='mmpretrain.CIFAR100', data_root=root), LOADERS)
    assert root in message(config(type='CIFAR10', data_root=root, download=False))


def test_checkpoints(tmp_path):
    check_checkpoint(None, 'load_from')
    check_checkpoint('s3://example/x.pth', 'load_from')
    torch.save(dict(state_dict={}), tmp_path / 'x.pth')
    check_checkpoint(str(tmp_path / 'x.pth'), 'load_from')
    with pytest.raises(CheckpointError, match='no meta, optimizer'):
        check_checkpoint(str(tmp_path / 'x.pth'), '--resume', resume=True)
    for meta, lack in (
        ([], 'meta'),
        ({}, 'meta.epoch, meta.iter'),
        (dict(epoch='1', iter=9), 'meta.epoch'),
    ):
        torch.save(dict(state_dict={}, optimizer={}, meta=meta), tmp_path / 'x.pth')
        with pytest.raises(CheckpointError, match=f'it has no {lack}[.]'):
            check_checkpoint(str(tmp_path / 'x.pth'), '--resume', resume=True)
    (tmp_path / 'z.pth').touch()
    with pytest.raises(CheckpointError, match='damaged'):
        check_checkpoint(str(tmp_path / 'z.pth'), 'load_from')
    with pytest.raises(CheckpointError, match='--resume: .*y.pth'):
        check_checkpoint(str(tmp_path / 'y.pth'), '--resume')


@pytest.mark.parametrize('kind', ['Pretrained', 'mmengine.Pretrained'])
def test_weights_that_a_model_starts_from(tmp_path, kind):
    torch.save(dict(state_dict={}), tmp_path / 'x.pth')
    for good in (str(tmp_path / 'x.pth'), 'torchvision://resnet50'):
        check_pretrained(dict(init_cfg=dict(type=kind, checkpoint=good)))
    model = dict(backbone=dict(init_cfg=[dict(type=kind, checkpoint='no/epoch_1.pth')]))
    with pytest.raises(
        CheckpointError, match=r'^model\.backbone\.init_cfg\.0\.checkpoint: .*epoch_1'
    ):
        check_pretrained(model)
