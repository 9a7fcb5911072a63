"""Every shipped config loads, names what exists, and builds its model."""

import re
from copy import deepcopy
from functools import cache
from pathlib import Path

import pytest
import torch
from mmengine.config import Config
from mmengine.registry import init_default_scope
from mmengine.runner import Runner
from torch.utils.flop_counter import FlopCounterMode

from mmdmcp import registry

CONFIGS = Path(__file__).parents[2] / 'configs'
FOLDER = CONFIGS / 'pruning' / 'dmcp'
SEARCHES = sorted(FOLDER.glob('dmcp_*_supernet_*.py'))
SUBNETS = sorted(FOLDER.glob('dmcp_*_subnet_*.py'))
ALL = sorted(FOLDER.glob('*.py'))
OTHERS = ('gate', 'importance')
EVERY = [
    *ALL,
    *(p for name in OTHERS for p in sorted(FOLDER.with_name(name).glob('*.py'))),
]
# algorithm_backbone_role[-what][_gpus x batch][_data]; a baseline has no algorithm.
NAME = re.compile(
    r'(dmcp_)?[a-z0-9-]+(?(1)_(supernet|subnet|distill)(-[a-z0-9]+)?)'
    r'(_\d+xb\d+)?(_[a-z0-9]+)?'
)


@cache
def loaded(path):
    return Config.fromfile(path)


def load(path, monkeypatch, tmp_path):
    """Load as a user would, from a folder that is not the checkout."""
    monkeypatch.chdir(tmp_path)
    cfg = deepcopy(loaded(path))
    init_default_scope(cfg.default_scope)
    return cfg


def count_macs(model, shape):
    """Multiply-accumulates as torch counts them, 2 FLOPs each."""
    counter = FlopCounterMode(display=False)
    with counter, torch.no_grad():
        model.eval()(torch.zeros(1, *shape))
    return counter.get_total_flops() // 2


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
        value for value in vars(registry).values() if type(value).__name__ == 'Registry'
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
def test_a_search_never_reads_what_it_is_reported_on(path, monkeypatch, tmp_path):
    cfg = load(path, monkeypatch, tmp_path)
    parts = {
        name: (
            data.dataset.type,
            data.dataset.get('split', ''),
            data.dataset.get('part', ''),
        )
        for name, data in dict(
            train=cfg.train_dataloader, val=cfg.val_dataloader, test=cfg.test_dataloader
        ).items()
    }
    assert len(set(parts.values())) == 3, parts
    held = cfg.val_dataloader.dataset
    if held.type == 'mmdmcp.HoldOut':
        train = cfg.train_dataloader.dataset
        assert (held.split, held.every, held.of) == (train.split, train.every, train.of)
        assert (train.part, held.part) == ('train', 'val')
    else:
        assert held.split == 'val'


@pytest.mark.parametrize('path', SEARCHES, ids=lambda p: p.stem)
def test_the_architecture_trains_in_the_second_half(path, monkeypatch, tmp_path):
    cfg = load(path, monkeypatch, tmp_path)
    # A ratio, as arch_start is: it follows the length of the run.
    (schedule,) = cfg.param_scheduler.mutator
    assert schedule.type == 'mmdmcp.SearchCosineLR'
    assert schedule.begin == cfg.model.get('arch_start', 0.5)
    assert 'end' not in schedule


def schedulers(cfg):
    """All of them, of one optimiser or two."""
    found = cfg.param_scheduler
    if 'mutator' in found:
        return [*found.architecture, *found.mutator]
    return found if isinstance(found, list) else [found]


@pytest.mark.parametrize('path', EVERY, ids=lambda p: p.stem)
def test_schedules_end_with_the_run(path, monkeypatch, tmp_path):
    """Whatever its length is: MMEngine ends those that name no end with it."""
    cfg = load(path, monkeypatch, tmp_path)
    for scheduler in schedulers(cfg):
        if scheduler.get('begin', 0) or scheduler.type != 'LinearLR':
            assert 'end' not in scheduler


@pytest.mark.parametrize(
    'name,rate',
    [
        ('dmcp/resnet14_digits', 0.0),
        ('dmcp/dmcp_resnet14_supernet_digits', 0.01),
        ('gate/gate_resnet14_digits', 0.0),
    ],
)
def test_a_shortened_run_ends_annealed(name, rate, monkeypatch, tmp_path):
    """Two epochs, by one option: the weights' rate after the last step."""
    cfg = load(FOLDER.parent / f'{name}.py', monkeypatch, tmp_path)
    cfg.merge_from_dict({'train_cfg.max_epochs': 2, 'work_dir': str(tmp_path)})
    runner = Runner.from_cfg(cfg)
    runner._train_loop = runner.build_train_loop(cfg.train_cfg)
    runner.optim_wrapper = runner.build_optim_wrapper(cfg.optim_wrapper)
    wrapper = runner.optim_wrapper
    found = runner.build_param_scheduler(cfg.param_scheduler)
    if isinstance(found, dict):
        wrapper, found = wrapper['architecture'], found['architecture']
    group, scheduler = wrapper.optimizer.param_groups[0], found[0]
    start = group['initial_lr']
    for _ in range(2 * len(runner.train_dataloader)):
        wrapper.optimizer.step()
        scheduler.step()
    assert start >= 0.05
    assert group['lr'] == pytest.approx(rate, abs=1e-3)


@pytest.mark.parametrize('path', SUBNETS, ids=lambda p: p.stem)
def test_retraining_fits_the_search(path, monkeypatch, tmp_path):
    """Same backbone, same head, and the file where the search writes it."""
    cfg = load(path, monkeypatch, tmp_path)
    search_path = FOLDER / path.name.replace('_subnet_', '_supernet_')
    search = load(search_path, monkeypatch, tmp_path)
    assert cfg.model.cfg.backbone == search.model.architecture.backbone
    assert cfg.model.cfg.head.in_channels == search.model.architecture.head.in_channels
    if path.stem != 'dmcp_resnet50_subnet_8xb32':
        name = search.custom_hooks[0].name
        assert (
            cfg.model.subnet == f'work_dirs/{search_path.stem}/DMCP_SUBNET_{name}.yaml'
        )


@pytest.mark.parametrize('path', SEARCHES, ids=lambda p: p.stem)
def test_what_a_search_exports_is_what_retraining_builds(path, monkeypatch, tmp_path):
    """ImageNet models at 64x64, which their fixed strides allow."""
    search = load(path, monkeypatch, tmp_path)
    channels, side, _ = search.model.get('input_shape', (3, 224, 224))
    shape = (channels, min(side, 64), min(side, 64))
    search.model.update(input_shape=shape, target='50%')
    algorithm = registry.MODELS.build(search.model)
    subnet = algorithm.export_subnet('expected')
    subnet.save(tmp_path / 'DMCP_SUBNET.yaml')

    cfg = load(
        FOLDER / path.name.replace('_supernet_', '_subnet_'), monkeypatch, tmp_path
    )
    cfg.merge_from_dict({'model.subnet': str(tmp_path / 'DMCP_SUBNET.yaml')})
    model = registry.MODELS.build(cfg.model)
    assert count_macs(model, shape) == subnet.cost['macs']
    assert sum(p.numel() for p in model.parameters()) == subnet.cost['params']
    assert subnet.cost['macs'] == pytest.approx(
        algorithm.budget.values['macs'], rel=0.05
    )


@pytest.mark.parametrize(
    'name, macs, params',
    [
        ('resnet14_digits', 1_648_256, 174_970),
        ('resnet20_2xb64_cifar10', 40_813_184, 272_474),
        ('resnet56_2xb64_cifar10', 125_747_840, 855_770),
    ],
)
def test_baselines_cost_what_is_said(name, macs, params, monkeypatch, tmp_path):
    cfg = load(FOLDER / f'{name}.py', monkeypatch, tmp_path)
    model = registry.MODELS.build(cfg.model)
    shape = (1, 8, 8) if 'digits' in name else (3, 32, 32)
    assert count_macs(model, shape) == macs
    assert sum(p.numel() for p in model.parameters()) == params


def test_the_published_subnet_is_found_from_anywhere(monkeypatch, tmp_path):
    """The authors' ResNet-50 of 2.2 G; counted from their widths."""
    cfg = load(FOLDER / 'dmcp_resnet50_subnet_8xb32.py', monkeypatch, tmp_path)
    assert Path(cfg.model.subnet).is_absolute()
    model = registry.MODELS.build(cfg.model)
    assert count_macs(model, (3, 224, 224)) == 2_194_130_032


@pytest.mark.parametrize('path', SUBNETS, ids=lambda p: p.stem)
def test_another_subnet_is_one_option(path, monkeypatch, tmp_path):
    cfg = load(path, monkeypatch, tmp_path)
    cfg.merge_from_dict({'model.subnet': 'mine.yaml'})
    assert cfg.model.subnet == 'mine.yaml'


def test_other_classes_than_the_files_are_two_options(monkeypatch, tmp_path):
    """The command line can't write ``prefix={'': ''}`` any other way."""
    cfg = load(FOLDER / 'dmcp_resnet50_subnet_8xb32.py', monkeypatch, tmp_path)
    cfg.merge_from_dict({'model.cfg.head.num_classes': 10, 'model.prefix.': ''})
    net = registry.MODELS.build(cfg.model)
    assert net.head.fc.out_features == 10
    assert sum(p.numel() for p in net.parameters()) == 21_968_906 - 990 * 2049
