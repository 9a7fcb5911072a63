"""Optimiser steps that gather the gradients of several iterations."""

import copy

import pytest
import torch
from common.small_net import batch, classifier, optimisers
from mmengine.registry import init_default_scope

from mmdmcp.methods import split_accumulations
from mmdmcp.registry import MODELS

METHODS = {
    'mmdmcp.DMCP': dict(arch_start=1),
    'mmdmcp.TrainableGate': dict(ramp=4, freeze=6),
}


@pytest.fixture(params=METHODS)
def make(request):
    """A function that builds an algorithm and its optimisers."""
    init_default_scope('mmpretrain')

    def build(length, **wrapper):
        torch.manual_seed(0)
        algorithm = MODELS.build(
            dict(
                type=request.param,
                architecture=classifier(),
                target='50%',
                input_shape=(1, 8, 8),
                **METHODS[request.param],
            )
        )
        algorithm.schedule.set_length(length)
        return algorithm.train(), optimisers(algorithm, lr=0.02, **wrapper)

    return build


def train(algorithm, wrappers, begin, end):
    for step in range(begin, end):
        algorithm.train_step(batch(seed=step), wrappers)


def resumed(make, algorithm, wrappers, length, **wrapper):
    """What a checkpoint makes of a new algorithm and its optimisers."""
    state = copy.deepcopy([algorithm.state_dict(), wrappers.state_dict()])
    again, others = make(length, **wrapper)
    again.load_state_dict(state[0])
    others.load_state_dict(state[1])
    return again, others


@pytest.mark.parametrize('begin', [2, 4])
def test_a_resumed_search_steps_where_the_first_did(make, begin):
    """Between accumulations; the chains begin in the middle of one."""
    whole, wrappers = make(8, accumulative_counts=2)
    train(whole, wrappers, 0, begin)
    again, others = resumed(make, whole, wrappers, 8, accumulative_counts=2)
    train(whole, wrappers, begin, 8)
    train(again, others, begin, 8)
    for name, value in whole.state_dict().items():
        assert torch.equal(value, again.state_dict()[name]), name


def test_the_last_iteration_steps(make):
    """Nothing of 5 iterations is left over by steps of 2."""
    algorithm, wrappers = make(5, accumulative_counts=2)
    train(algorithm, wrappers, 0, 4)
    before = algorithm.architecture.head.fc.weight.clone()
    train(algorithm, wrappers, 4, 5)
    assert not torch.equal(algorithm.architecture.head.fc.weight, before)
    assert all(p.grad is None or not p.grad.any() for p in algorithm.parameters())


def test_accumulations_that_a_checkpoint_splits(make):
    _, wrappers = make(8, accumulative_counts=2)
    assert split_accumulations(wrappers, 4) == []
    assert split_accumulations(wrappers, 5) == [
        'optim_wrapper.architecture',
        'optim_wrapper.mutator',
    ]
