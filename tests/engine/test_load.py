"""Checkpoints that a search starts from: ``load_from``."""

import copy
import logging
from types import SimpleNamespace

import pytest
import torch
from common.small_net import batch, classifier, optimisers
from mmengine.registry import init_default_scope

from mmdmcp.dmcp.hooks import DMCPSearchHook
from mmdmcp.errors import CheckpointError
from mmdmcp.gate.hooks import GateHook
from mmdmcp.methods.pretrained import has_weights
from mmdmcp.registry import MODELS

METHODS = {
    'mmdmcp.DMCP': (DMCPSearchHook, dict(arch_start=2)),
    'mmdmcp.TrainableGate': (GateHook, dict(ramp=1, freeze=2)),
}
LENGTH = 4


@pytest.fixture(autouse=True)
def _scope():
    init_default_scope('mmpretrain')


def build(method, seed=0):
    torch.manual_seed(seed)
    algorithm = MODELS.build(
        dict(
            type=method,
            architecture=classifier(),
            target='50%',
            input_shape=(1, 8, 8),
            **METHODS[method][1],
        )
    )
    algorithm.schedule.set_length(LENGTH)
    return algorithm.train()


def trained(method):
    """A search that is over."""
    algorithm = build(method)
    wrappers = optimisers(algorithm, lr=0.02)
    for step in range(LENGTH):
        algorithm.train_step(batch(seed=step), wrappers)
    return algorithm


def begin(algorithm, method, iteration=0, **wrapper):
    """What the method's hook does before training."""
    hook = METHODS[method][0]()
    hook.before_train(
        SimpleNamespace(
            model=algorithm,
            iter=iteration,
            max_iters=2 * LENGTH,
            seed=5,
            optim_wrapper=optimisers(algorithm, **wrapper),
            logger=logging.getLogger('search'),
            val_loop=None,
            _load_from='epoch_4.pth',
        )
    )


@pytest.mark.parametrize('method', METHODS)
def test_loaded_weights_begin_a_search_of_their_own(method):
    """Its clock and, of gates, that they are frozen stay behind; the draws
    are those of the run's seed."""
    earlier = trained(method)
    algorithm = build(method, seed=1)
    algorithm.load_state_dict(copy.deepcopy(earlier.state_dict()))
    begin(algorithm, method)
    assert algorithm.schedule.iteration == 0
    assert algorithm.schedule.max_iters == 2 * LENGTH
    assert torch.equal(
        algorithm.architecture.head.fc.weight, earlier.architecture.head.fc.weight
    )
    if method == 'mmdmcp.DMCP':
        assert algorithm.mutator.generator.initial_seed() == 5
    else:
        assert earlier.mutator.frozen and not algorithm.mutator.frozen


@pytest.mark.parametrize('method', METHODS)
def test_a_resumed_search_goes_on(method):
    earlier = trained(method)
    algorithm = build(method, seed=1)
    algorithm.load_state_dict(copy.deepcopy(earlier.state_dict()))
    begin(algorithm, method, iteration=LENGTH)
    assert algorithm.schedule.iteration == LENGTH
    if method == 'mmdmcp.DMCP':
        assert torch.equal(
            algorithm.mutator.generator.get_state(),
            earlier.mutator.generator.get_state(),
        )
    else:
        assert algorithm.mutator.frozen


@pytest.mark.parametrize('counts,warned', [(2, False), (3, True)])
@pytest.mark.parametrize('method', METHODS)
def test_a_resume_within_an_accumulation_is_warned_of(method, counts, warned, caplog):
    with caplog.at_level(logging.WARNING):
        begin(build(method), method, LENGTH, accumulative_counts=counts)
    assert ('in the middle of an accumulation' in caplog.text) == warned


@pytest.mark.parametrize('method', METHODS)
def test_a_plain_checkpoint_loads(method):
    torch.manual_seed(3)
    plain = MODELS.build(classifier())
    algorithm = build(method)
    algorithm.load_state_dict(plain.state_dict(), strict=True)
    for name, value in plain.state_dict().items():
        assert torch.equal(algorithm.architecture.state_dict()[name], value), name


@pytest.mark.parametrize(
    'method,other,words',
    [
        (
            'mmdmcp.DMCP',
            'mmdmcp.TrainableGate',
            'it has mutator.gates, a DMCP has mutator.alpha',
        ),
        (
            'mmdmcp.TrainableGate',
            'mmdmcp.DMCP',
            'it has mutator.alpha, a TrainableGate has mutator.gates',
        ),
    ],
)
def test_a_checkpoint_of_another_method_is_refused(method, other, words):
    state = build(other).state_dict()
    with pytest.raises(CheckpointError, match=words):
        build(method).load_state_dict(state, strict=False)


@pytest.mark.parametrize(
    'init_cfg,expected',
    [
        (dict(type='Pretrained', checkpoint='x'), True),
        ([dict(type='Kaiming'), dict(type='mmengine.Pretrained')], True),
        ([dict(type='Kaiming')], False),
        (None, False),
    ],
)
def test_weights_are_found_in_any_form_of_init_cfg(init_cfg, expected):
    algorithm = build('mmdmcp.TrainableGate')
    algorithm.architecture.backbone.init_cfg = init_cfg
    runner = SimpleNamespace(_load_from=None)
    assert has_weights(runner, algorithm) == expected
