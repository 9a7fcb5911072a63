"""Limits of a part of a network count that part's layers, exactly."""

import pytest
import torch
from common.small_net import classifier
from mmengine.registry import init_default_scope
from torch.utils.flop_counter import FlopCounterMode

from mmdmcp.cost.parts import limits_of
from mmdmcp.dmcp.candidates import expected_candidate
from mmdmcp.errors import ConfigError, TargetError
from mmdmcp.registry import MODELS

PART = ['backbone.layer3']


def build(target, kind='DMCP', **mutator):
    init_default_scope('mmpretrain')
    torch.manual_seed(0)
    return MODELS.build(
        dict(
            type=f'mmdmcp.{kind}',
            architecture=classifier(),
            target=target,
            mutator=mutator,
            input_shape=(1, 8, 8),
        )
    )


def test_a_part_costs_what_torch_counts_in_its_modules():
    algorithm = build(
        dict(flops='60%', parts=[dict(flops='50%', params='60%', scope=PART)])
    )
    for choice in ('max', 'random', 'random'):
        widths = algorithm.mutator.choose(choice)
        cost = algorithm.cost_of(widths)
        net = algorithm.cut(widths).eval()
        with torch.no_grad(), FlopCounterMode(display=False) as counter:
            net(torch.zeros(1, 1, 8, 8))
        flops = counter.get_flop_counts()['ImageClassifier.backbone.layer3']
        assert cost['macs_backbone_layer3'] == sum(flops.values()) // 2
        assert cost['params_backbone_layer3'] == sum(
            p.numel() for p in net.backbone.layer3.parameters()
        )


@pytest.mark.parametrize(
    'target', [dict(flops='40%', scope=PART), 'flops=40% scope=backbone.layer3']
)
def test_a_part_alone_can_be_a_target(target):
    algorithm = build(target, scope=PART)
    assert algorithm.budget.label == '40PERCENT_BACKBONE_LAYER3'
    full = algorithm.cost_of('max')
    found = expected_candidate(algorithm.mutator, algorithm.budget, 0.03)
    share = found.cost['macs_backbone_layer3'] / full['macs_backbone_layer3']
    assert share == pytest.approx(0.4, rel=0.03)
    subnet = algorithm.export_subnet(found.widths)
    assert list(subnet.target) == ['macs_backbone_layer3']


@pytest.mark.parametrize('kind', ['TrainableGate', 'ImportancePruning'])
def test_every_method_keeps_to_the_limit_of_a_part(kind):
    algorithm = build(dict(flops='70%', parts=[dict(flops='30%', scope=PART)]), kind)
    if kind == 'ImportancePruning':
        algorithm.prune()
    else:
        algorithm.mutator.start()
        algorithm.mutator.freeze(algorithm.budget, 0.02)
        algorithm.set_widths('open')
    used = algorithm.budget.used(algorithm.cost())
    assert used == pytest.approx(1, abs=0.05)


@pytest.mark.parametrize(
    'target, error, said',
    [
        (dict(flops='50%', scope=PART), TargetError, 'counts nothing of 3 units'),
        (dict(flops='50%', scope='layer3'), TargetError, "scope='layer3': give a list"),
        (dict(flops='50%', scope=['bakbone']), ConfigError, "Did you mean 'backbone'"),
        (
            dict(latency='50%', scope=PART),
            TargetError,
            'latency of a part is not known',
        ),
        (dict(flops='60%', parts=[dict(flops='9%')]), TargetError, 'scope each'),
        (
            dict(flops='60%', parts=[dict(flops='0.1%', scope=PART)]),
            TargetError,
            "of backbone.layer3 can't be reached",
        ),
        (dict(scope=PART), TargetError, 'is empty'),
    ],
)
def test_what_cant_be_meant(target, error, said):
    with pytest.raises(error, match=said):
        build(target)


def test_long_scopes_have_names_that_files_take():
    names = {
        measure.name
        for last in 'ab'
        for measure, _ in limits_of(dict(flops='5%', scope=[f'{"x" * 40}.{last}']))
    }
    assert len(names) == 2 and all(len(name) <= 32 for name in names)
