"""The shipped configs fit together and build."""

from pathlib import Path

import pytest
import yaml
from mmengine.config import Config
from mmengine.registry import init_default_scope

from mmdmcp.importance.schedule import ImportanceSchedule
from mmdmcp.registry import MODELS

FOLDER = Path(__file__).parents[2] / 'configs' / 'pruning' / 'importance'
PRUNING = sorted(p for p in FOLDER.glob('importance_*.py') if '_subnet_' not in p.name)
#: Network to a size at which building it takes no time.
SIZES = {'resnet50': (3, 64, 64), 'mobilenetv2': (3, 64, 64)}


def network(path):
    return path.name.split('_')[1]


def test_there_is_one_for_every_network():
    assert {network(p) for p in PRUNING} == {
        'resnet14',
        'resnet20',
        'resnet56',
        'resnet50',
        'mobilenetv2',
    }


@pytest.mark.parametrize('path', PRUNING, ids=lambda p: p.stem)
def test_tuning_on_reads_what_pruning_writes(path):
    pruning = Config.fromfile(path)
    parts = path.stem.split('_')
    small = Config.fromfile(
        FOLDER / ('_'.join([*parts[:2], 'subnet', *parts[2:]]) + '.py')
    )
    (hook,) = pruning.custom_hooks
    written = f'work_dirs/{path.stem}/IMPORTANCE_SUBNET_{hook.name}'
    assert small.model.subnet == written + '.yaml'
    assert small.model.init_cfg.checkpoint == written + '.pth'
    assert small.model.cfg == pruning.model.architecture
    assert '://' not in pruning.load_from


@pytest.mark.parametrize('path', PRUNING, ids=lambda p: p.stem)
def test_config_builds(path):
    cfg = Config.fromfile(path)
    init_default_scope(cfg.default_scope)
    if network(path) in SIZES:
        cfg.model.input_shape = SIZES[network(path)]
    algorithm = MODELS.build(cfg.model)
    assert isinstance(algorithm.schedule, ImportanceSchedule)
    algorithm.prune()
    assert algorithm.budget.gap(algorithm.cost()) <= algorithm.tolerance
    (limit,) = algorithm.budget
    assert limit.ratio == pytest.approx(0.5)


def test_the_readme_and_the_metafile_name_what_exists():
    root = FOLDER.parents[2]
    text = (FOLDER / 'README.md').read_text()
    assert all(path.name in text for path in FOLDER.glob('*.py'))
    metafile = yaml.safe_load((FOLDER / 'metafile.yml').read_text())
    for model in metafile['Models']:
        assert (root / model['Config']).is_file()
        assert model['Name'] == Path(model['Config']).stem
    for collection in metafile['Collections']:
        assert (root / collection['README']).is_file()
        assert (root / collection['Code']['URL']).is_file()
