"""Configs, and the command line's options over them."""

import pytest
from mmengine.config import Config

from mmdmcp.errors import ConfigError
from mmdmcp.preflight.config import (
    check_kept,
    check_loop,
    load_config,
    set_loader_defaults,
    set_work_dir,
)

TEXT = """
model = dict(type='ImageClassifier', backbone=dict(type='ResNet', depth=18))
train_dataloader = dict(batch_size=2, num_workers=2,
                        dataset=dict(type='A', data_root='x'))
val_dataloader = dict(batch_size=2, num_workers=0, persistent_workers=True,
                      dataset=dict(type='A', data_root='x'))
"""


@pytest.fixture
def file(tmp_path):
    path = tmp_path / 'my_config_8xb32.py'
    path.write_text(TEXT)
    return path


def test_options_override(file):
    cfg = load_config(
        str(file),
        {
            'train_dataloader.dataset.data_root': 'y',
            'train_cfg.max_epochs': 2,
            'model.backbone.init_cfg.type': 'Pretrained',
        },
    )
    assert cfg.train_dataloader.dataset == dict(type='A', data_root='y')
    assert cfg.train_cfg.max_epochs == 2
    assert cfg.model.backbone.init_cfg.type == 'Pretrained'


@pytest.mark.parametrize(
    'option, said',
    [
        ('train_dataloder.batch_size', "Did you mean 'train_dataloader'"),
        ('lauchner', "Did you mean 'launcher'"),
        ('quux.x', 'has no `quux`'),
        ('train_dataloader.datset.data_root', "Did you mean 'dataset'"),
        ('model.backbon.depth', "Did you mean 'backbone'"),
    ],
)
def test_misspelt_options(file, option, said):
    with pytest.raises(ConfigError, match=said):
        load_config(str(file), {option: 1})


def test_misspelt_path_names_the_nearest(file):
    with pytest.raises(ConfigError, match='Did you mean .*my_config_8xb32.py'):
        load_config(str(file.with_name('my_config_8xb23.py')))
    with pytest.raises(
        ConfigError, match='Did you mean .*dmcp_resnet50_supernet_8xb32'
    ):
        load_config('configs/dmcp_resnet50_supernt_8xb32.py')


def test_shipped_configs_are_found_from_anywhere(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for path in (
        'pruning/dmcp/resnet14_digits.py',
        'configs/pruning/dmcp/resnet14_digits.py',
    ):
        assert load_config(path).model.type == 'ImageClassifier'


@pytest.mark.parametrize(
    'text, said',
    [
        ('x = 1', 'has no `model`'),
        ('model = dict(', 'was never closed'),
        ("_base_ = './no_such_base.py'\n", 'no_such_base.py'),
    ],
)
def test_unreadable_configs(tmp_path, text, said):
    path = tmp_path / 'c.py'
    path.write_text(text)
    with pytest.raises(ConfigError, match=said) as error:
        load_config(str(path))
    assert str(path) in str(error.value)


def test_work_dir_is_option_then_config_then_name(file):
    cfg = load_config(str(file))
    set_work_dir(cfg, None)
    assert cfg.work_dir == './work_dirs/my_config_8xb32'
    cfg.work_dir = 'from_config'
    set_work_dir(cfg, None)
    assert cfg.work_dir == 'from_config'
    set_work_dir(cfg, 'from option')
    assert cfg.work_dir == 'from option'


def test_loader_defaults_are_those_of_the_host(file):
    cfg = load_config(str(file))
    cfg.default_scope = 'mmdet'
    set_loader_defaults(cfg, cuda=True)
    assert 'collate_fn' not in cfg.train_dataloader
    cfg.default_scope = 'mmpretrain'
    set_loader_defaults(cfg, cuda=True)
    train = cfg.train_dataloader
    assert train.collate_fn == dict(type='default_collate')
    assert train.pin_memory and train.persistent_workers


def test_workers_of_a_loop_that_resumes_exactly_start_anew(file):
    """Those of validation may stay; an option of the config counts more."""
    cfg = load_config(str(file))
    cfg.default_scope = 'mmpretrain'
    cfg.train_cfg = dict(type='mmdmcp.ResumableTrainLoop', max_epochs=1)
    set_loader_defaults(cfg, cuda=True)
    assert cfg.train_dataloader.persistent_workers is False
    cfg.train_dataloader.persistent_workers = True
    set_loader_defaults(cfg, cuda=True)
    assert cfg.train_dataloader.persistent_workers is True


def test_loaders_without_workers_or_gpus(file):
    cfg = load_config(str(file))
    set_loader_defaults(cfg, cuda=False)
    assert cfg.train_dataloader.pin_memory is False
    # torch refuses persistent workers where there are none.
    assert cfg.val_dataloader.persistent_workers is False


def test_configs_of_an_installed_wheel_are_found(tmp_path, monkeypatch):
    """Wheels carry the configs in the package, under ``.mim``."""
    configs = tmp_path / 'site-packages' / 'mmdmcp' / '.mim' / 'configs'
    configs.mkdir(parents=True)
    (configs / 'a.py').write_text(TEXT)
    monkeypatch.setattr('mmdmcp.files.__file__', str(configs.parents[1] / 'files.py'))
    assert load_config('a.py').filename == str(configs / 'a.py')
    assert load_config('configs/a.py').filename == str(configs / 'a.py')


@pytest.mark.parametrize(
    'loop, notices',
    [
        (dict(type='mmdmcp.ResumableTrainLoop', max_epochs=1), 0),
        (dict(type='EpochBasedTrainLoop', max_epochs=1), 1),
        (dict(by_epoch=True, max_epochs=1), 1),
    ],
)
def test_loops_that_lose_something_when_stopped(loop, notices):
    found = check_loop(Config(dict(train_cfg=loop)))
    assert len(found) == notices
    assert all('mmdmcp.ResumableTrainLoop' in notice for notice in found)


@pytest.mark.parametrize('kept, notices', [(1, 1), (2, 0), (-1, 0)])
def test_the_only_checkpoint_goes_before_the_next_is_there(kept, notices):
    checkpoint = dict(type='CheckpointHook', max_keep_ckpts=kept)
    found = check_kept(Config(dict(default_hooks=dict(checkpoint=checkpoint))))
    assert len(found) == notices
    assert all('max_keep_ckpts=1' in notice for notice in found)
    assert check_kept(Config()) == []
