"""ImageNet configs on folders with other classes."""
import pytest
from mmengine.config import Config

from mmdmcp.run.folders import fit_class_folders


@pytest.fixture
def root(tmp_path):
    for part in ('train', 'validation'):
        for name in ('dress', 'hat'):
            (tmp_path / part / name).mkdir(parents=True)
    return tmp_path


def config(root, **dataset):
    dataset = dict(dict(type='ImageNet', split='train'), **dataset)
    return Config(
        dict(
            train_dataloader=dict(dataset=dict(dataset, data_root=str(root)))))


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


@pytest.mark.parametrize('own', [
    dict(metainfo=dict(classes=('a', 'b'))),
    dict(ann_file='meta/train.txt'),
    dict(type='CustomDataset'),
    dict(split='nowhere'),
])
def test_what_the_config_says_stays(root, own):
    cfg = config(root, **own)
    before = cfg.to_dict()
    assert fit_class_folders(cfg) == []
    assert cfg.to_dict() == before


def test_a_thousand_folders_are_imagenet(tmp_path):
    for i in range(1000):
        (tmp_path / 'train' / f'n{i:08d}').mkdir(parents=True)
    assert fit_class_folders(config(tmp_path)) == []
