"""A method in a module of its own: config, search, resume, file, retraining.

``random_widths.py`` stands for a user's module; nothing inside ``mmdmcp`` has
heard of it.
"""

from pathlib import Path

import pytest
import torch
from mmengine.config import Config

from mmdmcp.apis import train
from mmdmcp.errors import CheckpointError, ConfigError
from mmdmcp.preflight.config import load_config
from mmdmcp.preflight.types import check_types
from mmdmcp.subnet import Subnet

CONFIG = str(Path(__file__).with_name('random_widths_config.py'))
FILE = 'RANDOM_WIDTHS_SUBNET_TINY'


@pytest.fixture(autouse=True, scope='module')
def _importable():
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(Path(__file__).parent))
        yield


@pytest.fixture(scope='module')
def searched(tmp_path_factory):
    """The whole search, and where it left its files."""
    work = tmp_path_factory.mktemp('search')
    return train(CONFIG, work_dir=str(work)).model, work


def test_the_result_costs_what_it_should(searched):
    _, work = searched
    subnet = Subnet.load(work / f'{FILE}.yaml')
    assert subnet.method == 'random_widths'
    assert subnet.cost['macs'] == pytest.approx(subnet.target['macs'], rel=0.02)
    assert len({unit.channels / unit.of for unit in subnet.units.values()}) > 1


def test_its_networks_are_validated_by_name(searched):
    _, work = searched
    log = next(work.glob('*/*.log')).read_text()
    assert 'max/accuracy/top1' in log and 'random/accuracy/top1' in log
    # Before anything slow, the units; then what can be reached.
    assert log.index('units can be pruned') < log.index('What can be pruned')


def test_it_goes_on_as_if_it_had_not_stopped(searched, tmp_path):
    """The same weights, and the same draws at the end."""
    model, work = searched
    again = train(
        CONFIG,
        work_dir=str(tmp_path),
        resume=str(work / 'epoch_1.pth'),
    ).model
    for name, value in model.state_dict().items():
        assert torch.equal(value, again.state_dict()[name]), name
    first, second = (folder / f'{FILE}.yaml' for folder in (work, tmp_path))
    assert first.read_text() == second.read_text()


def test_its_class_says_what_a_resume_depends_on(searched, tmp_path):
    _, work = searched
    checkpoint = str(work / 'epoch_1.pth')
    with pytest.raises(CheckpointError, match=r'model\.mutator\.scope'):
        train(
            CONFIG,
            work_dir=str(tmp_path),
            resume=checkpoint,
            cfg_options={'model.mutator': dict(scope=['backbone.layer1'])},
        )
    train(
        CONFIG,
        work_dir=str(tmp_path),
        resume=checkpoint,
        cfg_options={'model.narrow_from': 0.5, 'train_cfg.max_epochs': 2},
    )
    logs = ''.join(path.read_text() for path in tmp_path.glob('*/*.log'))
    assert 'model.narrow_from, the config has 0.5' in logs


def test_its_file_is_retrained(searched, tmp_path, repo_root):
    _, work = searched
    runner = train(
        str(repo_root / 'configs/pruning/dmcp/dmcp_resnet14_subnet_digits.py'),
        work_dir=str(tmp_path),
        cfg_options={
            'model.subnet': str(work / f'{FILE}.yaml'),
            'train_cfg.max_epochs': 1,
            'train_dataloader.dataset.indices': 128,
        },
    )
    units = Subnet.load(work / f'{FILE}.yaml').units
    weights = torch.load(work / f'{FILE}.pth', weights_only=True)['state_dict']
    assert {n: len(weights[f'{n}.weight']) for n in units} == {
        name: runner.model.get_submodule(name).out_channels for name in units
    }


@pytest.mark.parametrize(
    'options, said',
    [
        ({'optim_wrapper.mutator': dict(optimizer=dict(type='SGD'))}, 'learns nothing'),
        ({'model.type': 'RandomWidth'}, 'RandomWidth'),
        ({'model.traget': '50%'}, 'traget'),
    ],
)
def test_its_mistakes_are_found_too(options, said, tmp_path):
    with pytest.raises((ConfigError, KeyError, TypeError), match=said):
        train(CONFIG, work_dir=str(tmp_path), cfg_options=options)


def test_one_optimiser_is_enough():
    """Its mutator learns nothing, so no part of optim_wrapper is its own."""
    check_types(load_config(CONFIG))
    assert 'architecture' not in Config.fromfile(CONFIG).optim_wrapper
