"""Wrong configs and models: a clear error before hours are spent."""

import numpy as np
import pytest
import torch
from common.small_net import batch, classifier, optimisers
from mmengine.model import BaseModel
from torch import nn

from mmdmcp.dmcp.schedule import SearchSchedule
from mmdmcp.errors import ConfigError, TargetError, TraceError
from mmdmcp.registry import MODELS


class Net(BaseModel):
    """A model around any layers."""

    def __init__(self, *layers):
        super().__init__()
        self.layers = nn.Sequential(*layers)

    def forward(self, inputs, data_samples=None, mode='tensor'):
        return self.layers(inputs)


class Hidden(nn.Module):
    """Works on raw arrays: autograd, and so the tracer, can't follow."""

    def forward(self, x):
        return torch.from_numpy(x.detach().numpy().copy())


@pytest.mark.parametrize(
    'options,error,words',
    [
        (dict(target='200%'), TargetError, 'above the full network'),
        (dict(target='1G'), TargetError, 'above the full network'),
        (dict(target='0.1%'), TargetError, 'lower mutator.grid.min_ratio=0.1'),
        (
            dict(target='0.1%', mutator=dict(grid=dict(type='release'))),
            TargetError,
            "set mutator.grid.type='even'",
        ),
        (dict(target='half'), TargetError, '50%'),
        (dict(target=0.5), TargetError, '50%'),
        (dict(target=-1), TargetError, 'above zero'),
        (dict(target=None), TargetError, "can't be read"),
        (dict(architecture='resnet50'), ConfigError, "architecture='resnet50'"),
        (dict(architecture=dict(depth=50)), ConfigError, 'dict with its type'),
        (dict(mutator='sigmoid'), ConfigError, "mutator='sigmoid': give"),
        (dict(input_shape=224), ConfigError, 'input_shape=224: give channels'),
        (dict(input_shape=(1, 8, '8')), ConfigError, "input_shape: size='8'"),
        (dict(budget_weight='abc'), ConfigError, "budget_weight='abc': give"),
        (dict(random_sampling=0.5), ConfigError, 'random_sampling=0.5: give two'),
        (dict(random_sampling=(1, 'x')), ConfigError, "random_sampling: .*='x'"),
        (dict(dead_zone=None), ConfigError, 'dead_zone=None'),
        (dict(mutator=dict(grid=0.1)), ConfigError, 'mutator.grid=0.1: give'),
        (dict(mutator=dict(grid=dict(step='x'))), ConfigError, "grid: step='x'"),
        (dict(mutator=dict(grid=dict(min_ratio=[]))), ConfigError, 'min_ratio='),
        (dict(traget='50%'), ConfigError, "Did you mean 'target'"),
        (
            dict(mutator=dict(parametrization='exp')),
            ConfigError,
            "Did you mean 'parametrisation'",
        ),
        (dict(mutator=dict(parametrisation='tanh')), ConfigError, 'sigmoid'),
        (dict(mutator=dict(init='one')), ConfigError, 'zero'),
        (
            dict(mutator=dict(grid=dict(min_ration=0.2))),
            ConfigError,
            "Did you mean 'min_ratio'",
        ),
        (dict(mutator=dict(scope=['neck'])), TraceError, 'scope'),
        (
            dict(mutator=dict(unit='mmdmcp.DMCP')),
            ConfigError,
            "mutator.unit='mmdmcp.DMCP': give .* mmdmcp.DMCPChannelUnit",
        ),
        (
            dict(mutator=dict(type='mmdmcp.GateChannelMutator')),
            ConfigError,
            'leave its type out, or give mmdmcp.DMCPChannelMutator',
        ),
        (
            dict(mutator=dict(scope='backbone')),
            ConfigError,
            "scope='backbone': give a list",
        ),
        (
            dict(mutator=dict(scope=['backbone', 'hed'])),
            ConfigError,
            "no module 'hed'. Did you mean 'head'",
        ),
        (dict(arch_start=1.5), ConfigError, 'arch_start'),
        (dict(random_sampling=(1.0, 2.0)), ConfigError, 'random_sampling'),
        (dict(budget_weight=0), ConfigError, 'budget_weight'),
        (dict(dead_zone=1.0), ConfigError, 'dead_zone=1.0: .* below 1'),
        (dict(dead_zone=1.2), ConfigError, 'dead_zone'),
        (dict(distillation='head.nothing'), ConfigError, 'no module'),
        (dict(distillation=['head.fc']), ConfigError, 'no module'),
        (dict(distillation=''), ConfigError, 'no module'),
        (dict(data_preprocessor=5), ConfigError, 'data_preprocessor=5: give'),
        (dict(init_cfg=7), ConfigError, 'init_cfg=7: give'),
        (dict(init_cfg=dict(type='x')), ConfigError, "init_cfg.type='x': nothing"),
        (dict(init_cfg=[dict(type='Pretrained')]), ConfigError, "'checkpoint'"),
        (dict(mutator=dict(type='x')), ConfigError, "mutator.type='x': nothing"),
        (dict(mutator=dict(unit='../../x')), ConfigError, "unit='../../x': give"),
        (dict(architecture=dict(type='x')), ConfigError, "architecture.type='x'"),
        (dict(budget_weight=10**400), ConfigError, 'budget_weight=1000.*: give'),
    ],
)
def test_bad_options(build, options, error, words):
    with pytest.raises(error, match=words):
        build(**options)


@pytest.mark.parametrize('method', ['DMCP', 'TrainableGate'])
def test_what_must_be_given(method):
    with pytest.raises(ConfigError, match='architecture=None: give'):
        MODELS.build(dict(type=f'mmdmcp.{method}', target='50%'))
    with pytest.raises(TargetError, match='target=None'):
        MODELS.build(
            dict(
                type=f'mmdmcp.{method}',
                architecture=classifier(),
                input_shape=(1, 8, 8),
            )
        )


def test_a_model_that_can_not_be_traced(build):
    net = Net(nn.Conv2d(1, 8, 3), Hidden(), nn.Conv2d(8, 4, 3))
    with pytest.raises(TraceError, match='Net'):
        build(architecture=net, distillation=None)


def test_a_model_that_fails_on_the_input_shape(build):
    net = Net(nn.Conv2d(3, 8, 3), nn.Conv2d(8, 4, 3))
    with pytest.raises(TraceError, match='input_shape'):
        build(architecture=net, distillation=None)


def test_a_model_that_the_runner_can_not_validate(build):
    net = nn.Sequential(nn.Conv2d(1, 8, 3), nn.Conv2d(8, 4, 3))
    with pytest.raises(ConfigError, match='a Sequential is no model of MME'):
        build(architecture=net, distillation=None)


def test_a_model_with_nothing_to_prune(build):
    net = Net(nn.Conv2d(1, 8, 3))
    with pytest.raises(TraceError, match="the model's output"):
        build(architecture=net, distillation=None)


def test_no_classifier_to_learn_from(build):
    net = Net(nn.Conv2d(1, 8, 3), nn.BatchNorm2d(8), nn.Conv2d(8, 4, 3))
    with pytest.raises(ConfigError, match='distillation=None'):
        build(architecture=net)


@pytest.mark.parametrize(
    'how,words',
    [
        ('bigest', 'choose from'),
        ({'backbone.conv9': 3}, 'backbone.conv1'),
        ({'backbone.conv1': 0}, 'choose 1 to 8'),
        ({'backbone.conv1': 9}, 'choose 1 to 8'),
        ([99] * 6, 'backbone.conv1: 99 channels; choose 1 to 8'),
        ([1, 2], '2 widths for 6 units'),
    ],
)
def test_bad_widths(build, how, words):
    with pytest.raises(ConfigError, match=words):
        build().set_widths(how)


def test_widths_are_whole_numbers_of_any_library(build):
    algorithm = build()
    for width in (2.7, 3.0, True, '3', None):
        with pytest.raises(ConfigError, match='conv1: .* a whole number'):
            algorithm.set_widths({'backbone.conv1': width})
    for widths in (torch.tensor([3] * 6), np.array([3] * 6), (3,) * 6):
        assert algorithm.set_widths(widths) == [3] * 6


def test_chains_next_to_the_ends_of_the_grid_start_alive(build, monkeypatch):
    # At the full width, `exp` has no such end: alpha = 0 is alive.
    said, sigmoid = [], dict(parametrisation='sigmoid')
    monkeypatch.setattr(
        'mmdmcp.dmcp.start.print_log', lambda text, **_: said.append(text)
    )
    plain = build().mutator
    least = plain.cost_of(plain.choose('min'))['macs']
    assert not said
    for i, target in enumerate((least, '99.999%')):
        algorithm = build(target=target, mutator=sigmoid)
        assert len(said) == i + 1 and 'not at the target of' in said[i]
        cost = algorithm.expected_cost()
        assert cost.item() == pytest.approx(algorithm.budget.values['macs'], rel=0.02)
        cost.backward()
        # Where a chain begins: at the narrow end it rarely gets farther.
        assert (algorithm.mutator.alpha.grad[:, 0] > 0.1).all()


def test_a_search_without_its_hook_says_so(build):
    algorithm = build()
    with pytest.raises(ConfigError, match='DMCPSearchHook'):
        algorithm.train_step(batch(), optimisers(algorithm))


def test_learning_from_a_module_whose_width_is_searched(build):
    algorithm = build(distillation='backbone.conv1')
    algorithm.schedule.set_length(10)
    with pytest.raises(ConfigError, match='conv1.*is searched.*head.fc'):
        algorithm.train_step(batch(), optimisers(algorithm))


def test_learning_from_a_module_that_returns_no_tensor(build):
    algorithm = build(distillation='backbone')
    algorithm.schedule.set_length(10)
    with pytest.raises(ConfigError, match='returns a tuple.*head.fc'):
        algorithm.train_step(batch(), optimisers(algorithm))


def test_optim_wrapper_of_one_optimiser_is_refused():
    from mmdmcp.methods import SearchOptimWrapperConstructor

    with pytest.raises(ConfigError, match='architecture'):
        SearchOptimWrapperConstructor(dict(optimizer=dict(type='SGD')))


def test_schedule():
    schedule = SearchSchedule(0.5, (1.0, 0.2))
    schedule.set_length(100)
    assert schedule.first_arch_iteration == 50
    schedule.iteration = 49
    assert not schedule.trains_chains and schedule.random_probability == 1
    schedule.iteration = 50
    assert schedule.trains_chains and schedule.random_probability == 1
    schedule.iteration = 99
    assert schedule.random_probability == pytest.approx(0.2)
    generator = torch.Generator().manual_seed(0)
    kinds = [schedule.sampled_network(generator) for _ in range(2000)]
    assert kinds.count('random') / 2000 == pytest.approx(0.2, abs=0.05)
