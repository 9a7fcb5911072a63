"""A config of classes is the config of their names."""

from pathlib import Path

import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.optim import AmpOptimWrapper
from torch import nn

from mmdmcp.apis import train
from mmdmcp.errors import CheckpointError, ConfigError, DataError
from mmdmcp.preflight.config import check_loop, load_config, set_loader_defaults
from mmdmcp.preflight.device import enable_amp, fit_to_cpu
from mmdmcp.preflight.folders import fit_class_folders
from mmdmcp.preflight.inputs import check_data, check_pretrained
from mmdmcp.preflight.types import check_types
from mmdmcp.walk import is_type, nodes, plain, type_name

HERE = Path(__file__).parent
LAZY = HERE / 'preflight' / 'lazy_search_config.py'
NAMES = HERE / 'faults' / 'search_config.py'


def test_a_search_in_pure_python_is_the_search_by_names(tmp_path):
    """With mixed precision, on CPU."""
    if torch.cuda.is_available():
        pytest.skip('for machines without a GPU')
    train(str(LAZY), work_dir=str(tmp_path / 'lazy'))
    train(
        str(NAMES),
        work_dir=str(tmp_path / 'names'),
        amp=True,
    )
    found, expected = (
        (tmp_path / style / 'DMCP_SUBNET_TINY.yaml').read_text()
        for style in ('lazy', 'names')
    )
    assert found == expected
    found, expected = (
        torch.load(tmp_path / style / 'epoch_4.pth', weights_only=True)['state_dict']
        for style in ('lazy', 'names')
    )
    for name, value in expected.items():
        assert torch.equal(found[name], value), name


def test_checks_of_a_pure_python_search():
    cfg = load_config(str(LAZY))
    check_types(cfg)
    assert check_loop(cfg) == []
    set_loader_defaults(cfg, cuda=False)
    assert cfg.train_dataloader.collate_fn.type == 'default_collate'
    (notice,) = fit_to_cpu(cfg)
    assert 'bfloat16' in notice
    wrapper = cfg.optim_wrapper
    assert wrapper.architecture.type == 'mmdmcp.CPUAmpOptimWrapper'
    assert wrapper.mutator.type == 'mmdmcp.CPUAmpOptimWrapper'


def test_an_import_that_fails_is_named(tmp_path):
    path = tmp_path / 'config.py'
    path.write_text(
        'from mmengine.config import read_base\n'
        'from mmpretrain.models import NoSuchThing\n'
        'model = dict(type=NoSuchThing)\n'
    )
    with pytest.raises(ConfigError, match='NoSuchThing'):
        load_config(str(path))


@pytest.mark.parametrize(
    'kind', [AmpOptimWrapper, 'AmpOptimWrapper', 'mmengine.optim.AmpOptimWrapper']
)
def test_amp_by_class_or_path(kind):
    cfg = Config(dict(optim_wrapper=dict(type=kind, optimizer=dict())))
    enable_amp(cfg)
    assert cfg.optim_wrapper.type == 'AmpOptimWrapper'


def test_sync_bn_by_class():
    norm = dict(type=nn.SyncBatchNorm, requires_grad=True)
    cfg = Config(dict(model=dict(neck=[dict(norm_cfg=norm)]), launcher='slurm'))
    assert any('SyncBN' in notice for notice in fit_to_cpu(cfg))
    assert cfg.model.neck[0].norm_cfg.type == 'BN'


def test_class_folders_by_class(tmp_path):
    from mmpretrain.datasets import ImageNet

    for name in 'ab':
        (tmp_path / 'train' / name).mkdir(parents=True)
    dataset = dict(type=ImageNet, data_root=str(tmp_path), split='train')
    cfg = Config(dict(train_dataloader=dict(dataset=dataset)))
    (notice,) = fit_class_folders(cfg)
    assert '2 class folders' in notice
    cfg.merge_from_dict({'train_dataloader.dataset.data_root': '/no/where'})
    with pytest.raises(DataError, match='of dataset mmpretrain.ImageNet does not'):
        check_data(cfg, ['train_dataloader'])


def test_pretrained_weights_by_class():
    from mmengine.model import PretrainedInit

    init_cfg = dict(type=PretrainedInit, checkpoint='/no/where.pth')
    with pytest.raises(CheckpointError, match='model.head.init_cfg.checkpoint'):
        check_pretrained(dict(head=dict(init_cfg=init_cfg)))


def test_every_dict_with_its_key():
    cfg = Config(dict(a=dict(b=[dict(c=1), 2, (dict(d=3),)])))
    assert [key for key, _ in nodes(cfg)] == ['', 'a', 'a.b.0', 'a.b.2.0']


def test_names_of_types():
    from mmdmcp.dmcp import DMCP

    assert type_name(DMCP) == type_name('mmdmcp.DMCP') == 'mmdmcp.DMCP'
    assert is_type('mmdmcp.dmcp.algorithm.DMCP', 'mmdmcp.DMCP')
    assert is_type('mmpretrain.ImageNet', 'ImageNet') and is_type('X', 'Y', 'X')
    # A name of this package needs its scope, in a config as here.
    assert not is_type('DMCP', 'mmdmcp.DMCP') and not is_type(DMCP, 'DMCP')
    assert not is_type(None, 'X') and type_name(None) == ''


def test_values_that_can_be_stored(tmp_path):
    found = plain(
        Config(
            dict(
                a=(1, 2.5, None, True),
                b=dict(type=nn.ReLU),
                c=[np.float64(0.5), np.arange(2), torch.float16],
            )
        )
    )
    assert found == dict(
        a=[1, 2.5, None, True],
        b=dict(type='torch.ReLU'),
        c=[0.5, [0, 1], 'torch.float16'],
    )
    torch.save(found, tmp_path / 'a')
    assert torch.load(tmp_path / 'a', weights_only=True) == found
