"""The shipped configs fit together and build."""

from pathlib import Path

import pytest
import yaml
from mmengine.config import Config
from mmengine.registry import init_default_scope

from mmdmcp.gate.hooks import LEAST_WAY, MOST_WAY
from mmdmcp.gate.schedule import GateSchedule
from mmdmcp.registry import MODELS

FOLDER = Path(__file__).parents[2] / 'configs' / 'pruning' / 'gate'
GATES = sorted(p for p in FOLDER.glob('gate_*.py') if '_subnet_' not in p.name)
#: Network to a size at which building it takes no time.
SIZES = {'resnet50': (3, 64, 64), 'mobilenetv2': (3, 64, 64)}


def network(path):
    return path.name.split('_')[1]


def test_there_is_one_for_every_network():
    assert {network(p) for p in GATES} == {
        'resnet14',
        'resnet20',
        'resnet56',
        'resnet50',
        'mobilenetv2',
    }


@pytest.mark.parametrize('path', GATES, ids=lambda p: p.stem)
def test_tuning_on_reads_what_the_gates_write(path):
    gates = Config.fromfile(path)
    parts = path.stem.split('_')
    small = Config.fromfile(
        FOLDER / ('_'.join([*parts[:2], 'subnet', *parts[2:]]) + '.py')
    )
    (hook,) = gates.custom_hooks
    written = f'work_dirs/{path.stem}/GATE_SUBNET_{hook.name}'
    assert small.model.subnet == written + '.yaml'
    assert small.model.init_cfg.checkpoint == written + '.pth'
    assert small.model.cfg == gates.model.architecture
    assert 'downloads' not in gates.load_from and '://' not in gates.load_from


@pytest.mark.parametrize('path', GATES, ids=lambda p: p.stem)
def test_gates_can_sink_and_return_while_the_target_tightens(path):
    """The rule of docs/gate.md for rate x iterations of the ramp."""
    cfg = Config.fromfile(path)
    images = {'digits': 1079, 'cifar10': 50000}.get(path.stem.rsplit('_')[-1], 1281167)
    iterations = cfg.train_cfg.max_epochs * images / cfg.auto_scale_lr.base_batch_size
    ramp = cfg.model.get('ramp', 0.4) * iterations
    way = cfg.optim_wrapper.mutator.optimizer.lr * ramp
    assert LEAST_WAY <= way <= MOST_WAY


def test_the_rule_is_that_of_the_docs():
    text = (FOLDER.parents[2] / 'docs' / 'gate.md').read_text()
    assert f'iterations of the ramp = {LEAST_WAY} to {MOST_WAY};' in text


@pytest.mark.parametrize('path', GATES, ids=lambda p: p.stem)
def test_config_builds(path):
    cfg = Config.fromfile(path)
    init_default_scope(cfg.default_scope)
    if network(path) in SIZES:
        cfg.model.input_shape = SIZES[network(path)]
    algorithm = MODELS.build(cfg.model)
    assert isinstance(algorithm.schedule, GateSchedule)
    assert algorithm.budget.values == {
        'macs': round(algorithm.cost_of('max')['macs'] / 2)
    }
    assert [reason for _, reason in algorithm.mutator.supernet.unprunable] == [
        "its channels are the model's output"
    ]


def test_metafile_names_configs_that_exist():
    metafile = yaml.safe_load((FOLDER / 'metafile.yml').read_text())
    root = FOLDER.parents[2]
    for model in metafile['Models']:
        assert (root / model['Config']).is_file()
        assert model['Name'] == Path(model['Config']).stem
    assert (root / metafile['Collections'][0]['README']).is_file()
