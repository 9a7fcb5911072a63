"""Names and optimisers that would fail only when they are built."""

import pytest

from mmdmcp.errors import ConfigError
from mmdmcp.files import shipped_configs
from mmdmcp.preflight.config import load_config
from mmdmcp.preflight.types import check_types

SEARCH = 'pruning/dmcp/dmcp_resnet14_supernet_digits.py'
PLAIN = 'pruning/dmcp/resnet14_digits.py'


def message(config, **options):
    with pytest.raises(ConfigError) as error:
        check_types(load_config(config, options))
    return str(error.value)


@pytest.mark.parametrize(
    'config', sorted(str(p) for p in shipped_configs().glob('pruning/*/*digits.py'))
)
def test_shipped_configs_pass(config):
    check_types(load_config(config))


@pytest.mark.parametrize(
    'key, name',
    [
        ('model.type', 'DMCP'),
        ('model.architecture.backbone.type', 'ResNetCifar'),
        ('train_cfg.type', 'ResumableTrainLoop'),
        ('train_dataloader.dataset.type', 'Digits'),
        ('model_wrapper_cfg.type', 'SearchDistributed'),
    ],
)
def test_a_name_without_its_scope(key, name):
    text = message(SEARCH, **{key: name})
    assert text.startswith(f'{key}={name!r}') and f"'mmdmcp.{name}'" in text


def test_hooks_in_lists():
    text = message(SEARCH, custom_hooks=[dict(type='DMCPSearchHook')])
    assert text.startswith('custom_hooks.0.type')


def test_a_misspelt_name():
    text = message(SEARCH, **{'model.type': 'mmdmcp.DMPC'})
    assert 'model.type' in text and "Did you mean 'DMCP'" in text


def test_names_of_other_packages_are_theirs():
    check_types(load_config(SEARCH, {'model.type': 'mmrazor.DMCP'}))


@pytest.mark.parametrize(
    'wrapper',
    [
        dict(_delete_=True, optimizer=dict(type='SGD', lr=0.1)),
        dict(_delete_=True, type='OptimWrapper', optimizer=dict(type='SGD')),
        dict(constructor=None),
        dict(mutator=None),
    ],
)
def test_a_search_has_two_optimisers(wrapper):
    text = message(SEARCH, optim_wrapper=wrapper)
    assert text.startswith('optim_wrapper: ')
    assert 'mmdmcp.SearchOptimWrapperConstructor' in text


def test_a_wrapper_that_is_no_dict():
    assert 'optim_wrapper.optimizer.lr' in message(PLAIN, optim_wrapper='SGD')


@pytest.mark.parametrize(
    'config, key',
    [
        (PLAIN, 'optim_wrapper.optimizer.type'),
        (SEARCH, 'optim_wrapper.mutator.optimizer.type'),
    ],
)
def test_an_optimiser_that_does_not_exist(config, key):
    assert "'SDG'. Did you mean 'SGD'" in message(config, **{key: 'SDG'})


def test_schedules_of_something_else():
    text = message(SEARCH, param_scheduler=dict(mutater=[]))
    assert 'param_scheduler' in text and 'mutater' in text
    text = message(SEARCH, param_scheduler=dict(_delete_=True, architecture=[]))
    assert '[] for none' in text


def test_validation_of_the_other_method():
    text = message(
        'pruning/gate/gate_resnet14_digits.py',
        **{'val_cfg.type': 'mmdmcp.SearchValLoop'},
    )
    assert 'val_cfg.type' in text and 'leave the type out' in text


def test_a_search_is_not_compiled():
    """It would be for each network that it draws."""
    text = message(SEARCH, compile=True)
    assert text.startswith('compile=True') and 'retrain' in text
    check_types(load_config(PLAIN, {'compile': True}))
