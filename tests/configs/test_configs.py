"""Every shipped config loads, names what exists, and builds its model."""
import re
from pathlib import Path

import pytest
from mmengine.config import Config
from mmengine.registry import init_default_scope

from mmdmcp import registry

CONFIGS = Path(__file__).parents[2] / 'configs'
FOLDER = CONFIGS / 'pruning' / 'dmcp'
SEARCHES = sorted(FOLDER.glob('dmcp_*_supernet_*.py'))
SUBNETS = sorted(FOLDER.glob('dmcp_*_subnet_*.py'))
ALL = sorted(FOLDER.glob('*.py'))
# algorithm_backbone_role[_gpus x batch][_data]; a baseline has no algorithm.
NAME = re.compile(r'(dmcp_)?[a-z0-9-]+(?(1)_(supernet|subnet))'
                  r'(_\d+xb\d+)?(_[a-z0-9]+)?')


def load(path, monkeypatch, tmp_path):
    """Load as a user would, from a folder that is not the checkout."""
    monkeypatch.chdir(tmp_path)
    cfg = Config.fromfile(path)
    init_default_scope(cfg.default_scope)
    return cfg


def own_types(node):
    """Every ``type='mmdmcp.X'`` and constructor of a config."""
    if isinstance(node, dict):
        for key in ('type', 'constructor', 'of'):
            if str(node.get(key, '')).startswith('mmdmcp.'):
                yield node[key]
        for value in node.values():
            yield from own_types(value)
    elif isinstance(node, (list, tuple)):
        for value in node:
            yield from own_types(value)


def registries():
    return [
        value for value in vars(registry).values()
        if type(value).__name__ == 'Registry'
    ]


def test_the_folder_holds_the_promised_configs():
    names = {path.stem for path in ALL}
    for net in ('resnet50', 'resnet18', 'mobilenetv2'):
        for role in ('supernet', 'subnet'):
            assert f'dmcp_{net}_{role}_8xb32' in names
    for net in ('resnet20', 'resnet56'):
        assert f'{net}_2xb64_cifar10' in names
        for role in ('supernet', 'subnet'):
            assert f'dmcp_{net}_{role}_2xb64_cifar10' in names


@pytest.mark.parametrize('path', ALL, ids=lambda p: p.stem)
def test_names_follow_the_grammar(path):
    assert NAME.fullmatch(path.stem)


@pytest.mark.parametrize('path', ALL, ids=lambda p: p.stem)
def test_every_type_of_ours_is_registered(path, monkeypatch, tmp_path):
    cfg = load(path, monkeypatch, tmp_path)
    for name in set(own_types(cfg._cfg_dict.to_dict())):
        assert any(r.get(name) is not None for r in registries()), name


@pytest.mark.parametrize('path', ALL, ids=lambda p: p.stem)
def test_what_is_dumped_loads_again(path, monkeypatch, tmp_path):
    cfg = load(path, monkeypatch, tmp_path)
    cfg.dump(tmp_path / 'dumped.py')
    again = Config.fromfile(tmp_path / 'dumped.py')
    assert again._cfg_dict == cfg._cfg_dict


@pytest.mark.parametrize('path', ALL, ids=lambda p: p.stem)
def test_total_batch_is_what_the_name_says(path, monkeypatch, tmp_path):
    cfg = load(path, monkeypatch, tmp_path)
    gpus, batch = re.search(r'(\d+)xb(\d+)', path.stem + '_1xb64').groups()
    assert cfg.train_dataloader.batch_size == int(batch)
    assert cfg.auto_scale_lr.base_batch_size == int(gpus) * int(batch)


@pytest.mark.parametrize('path', SEARCHES, ids=lambda p: p.stem)
def test_a_search_never_reads_what_it_is_reported_on(path, monkeypatch,
                                                     tmp_path):
    cfg = load(path, monkeypatch, tmp_path)
    parts = {
        name:
        (data.dataset.type, data.dataset.get('split',
                                             ''), data.dataset.get('part', ''))
        for name, data in dict(
            train=cfg.train_dataloader,
            val=cfg.val_dataloader,
            test=cfg.test_dataloader).items()
    }
    assert len(set(parts.values())) == 3, parts
    held = cfg.val_dataloader.dataset
    if held.type == 'mmdmcp.HoldOut':
        train = cfg.train_dataloader.dataset
        assert (held.split, held.every, held.of) == (train.split, train.every,
                                                     train.of)
        assert (train.part, held.part) == ('train', 'val')
    else:
        assert held.split == 'val'


@pytest.mark.parametrize('path', SEARCHES, ids=lambda p: p.stem)
def test_the_architecture_trains_in_the_second_half(path, monkeypatch,
                                                    tmp_path):
    cfg = load(path, monkeypatch, tmp_path)
    start = cfg.model.get('arch_start', 0.5) * cfg.train_cfg.max_epochs
    assert cfg.param_scheduler.mutator[0].begin == start
    assert cfg.param_scheduler.mutator[-1].end == cfg.train_cfg.max_epochs
    assert cfg.param_scheduler.architecture[-1].end == cfg.train_cfg.max_epochs


@pytest.mark.parametrize('path', SUBNETS, ids=lambda p: p.stem)
def test_retraining_fits_the_search(path, monkeypatch, tmp_path):
    """Same backbone, same head, and the file where the search writes it."""
    cfg = load(path, monkeypatch, tmp_path)
    search_path = FOLDER / path.name.replace('_subnet_', '_supernet_')
    search = load(search_path, monkeypatch, tmp_path)
    assert cfg.model.cfg.backbone == search.model.architecture.backbone
    assert (cfg.model.cfg.head.in_channels ==
            search.model.architecture.head.in_channels)
    if path.stem != 'dmcp_resnet50_subnet_8xb32':
        name = search.custom_hooks[0].name
        assert cfg.model.subnet == \
            f'work_dirs/{search_path.stem}/DMCP_SUBNET_{name}.yaml'


def test_the_published_subnet_is_found_from_anywhere(monkeypatch, tmp_path):
    cfg = load(FOLDER / 'dmcp_resnet50_subnet_8xb32.py', monkeypatch, tmp_path)
    subnet = Path(cfg.model.subnet)
    assert subnet.is_absolute() and subnet.is_file()


@pytest.mark.parametrize('path', SUBNETS, ids=lambda p: p.stem)
def test_another_subnet_is_one_option(path, monkeypatch, tmp_path):
    cfg = load(path, monkeypatch, tmp_path)
    cfg.merge_from_dict({'model.subnet': 'mine.yaml'})
    assert cfg.model.subnet == 'mine.yaml'
