"""ImageNet configs on folders with other classes."""

import pytest
from mmengine.config import Config

from mmdmcp.errors import DataError
from mmdmcp.preflight.folders import fit_class_folders


@pytest.fixture
def root(tmp_path):
    for part in ('train', 'validation'):
        for name in ('dress', 'hat'):
            (tmp_path / part / name).mkdir(parents=True)
    return tmp_path


def config(root, **dataset):
    dataset = dict(dict(type='ImageNet', split='train'), **dataset)
    return Config(
        dict(train_dataloader=dict(dataset=dict(dataset, data_root=str(root))))
    )


def test_folder_names_are_the_classes(root):
    for kind in (dict(), dict(type='mmdmcp.HoldOut', of='ImageNet')):
        cfg = config(root, **kind)
        notices = fit_class_folders(cfg)
        dataset = cfg.train_dataloader.dataset
        assert tuple(dataset.metainfo.classes) == ('dress', 'hat')
        assert len(notices) == 1 and '2 class folders' in notices[0]


def test_validation_stands_in_for_val(root):
    cfg = config(root, split='val')
    assert len(fit_class_folders(cfg)) == 2
    assert cfg.train_dataloader.dataset.data_prefix == 'validation'


@pytest.mark.parametrize(
    'own',
    [
        dict(metainfo=dict(classes=('a', 'b'))),
        dict(ann_file='meta/train.txt'),
        dict(type='CustomDataset'),
        dict(split='nowhere'),
    ],
)
def test_what_the_config_says_stays(root, own):
    cfg = config(root, **own)
    before = cfg.to_dict()
    assert fit_class_folders(cfg) == []
    assert cfg.to_dict() == before


def test_a_thousand_folders_are_imagenet(tmp_path):
    for i in range(1000):
        (tmp_path / 'train' / f'n{i:08d}').mkdir(parents=True)
    assert fit_class_folders(config(tmp_path)) == []


def message(cfg):
    with pytest.raises(DataError) as error:
        fit_class_folders(cfg)
    return str(error.value)


def test_all_loaders_have_the_same_classes(root):
    """Else labels, which are their numbers, mean different things."""
    cfg = config(root)
    cfg.val_dataloader = config(root, split='validation').train_dataloader
    fit_class_folders(cfg)
    (root / 'validation' / 'dress').rename(root / 'validation' / 'coat')
    cfg = config(root)
    cfg.val_dataloader = config(root, split='validation').train_dataloader
    text = message(cfg)
    assert text.startswith('val_dataloader: ') and 'coat, dress are' in text
    assert str(root / 'validation') in text and str(root / 'train') in text


def test_a_folder_without_classes(root):
    (root / 'empty').mkdir()
    text = message(config(root, split='empty'))
    assert str(root / 'empty') in text
    assert 'train_dataloader.dataset.data_root' in text


@pytest.mark.parametrize('role', ['architecture', 'cfg'])
def test_a_model_with_too_few_outputs(root, role):
    cfg = config(root)
    cfg.model = {role: dict(head=dict(num_classes=1))}
    assert f'model.{role}.head.num_classes=1: set it to 2' in message(cfg)
    cfg.model = {role: dict(head=dict(num_classes=2))}
    fit_class_folders(cfg)
