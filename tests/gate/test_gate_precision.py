"""Loss scalers, accumulation and activation checkpointing: what they must
not change is the gates' gradient."""

import mmengine.optim.optimizer.amp_optimizer_wrapper as amp
import pytest
import torch
from common.small_net import batch
from mmengine.optim import AmpOptimWrapper, OptimWrapper

from mmdmcp.methods import SearchOptimWrapperConstructor


@pytest.fixture
def amp_on_cpu(monkeypatch):
    """MMEngine's wrapper with torch's scaler, where there is no GPU."""
    monkeypatch.setattr(amp, 'is_cuda_available', lambda: True)
    monkeypatch.setattr(
        amp,
        'GradScaler',
        lambda *args, **kwargs: torch.amp.GradScaler('cpu', *args, **kwargs),
    )
    # In float32, so that gradients can be compared.
    monkeypatch.setattr(AmpOptimWrapper, 'optim_context', OptimWrapper.optim_context)


def wrappers(algorithm, weights=None, gates=None):
    """One SGD each, so that a step shows its gradient."""
    configs = {
        part: dict(
            dict(type='OptimWrapper', optimizer=dict(type='SGD', lr=0.1)),
            **(options or {}),
        )
        for part, options in (('architecture', weights), ('mutator', gates))
    }
    return SearchOptimWrapperConstructor(configs)(algorithm)


def scaled(scale, **options):
    return dict(type='AmpOptimWrapper', loss_scale=scale, **options)


def moved(build, iterations=1, **options):
    """What some iterations do to the gates and to a weight."""
    algorithm = build(length=10, ramp=0, freeze=0.9).train()
    tensors = (algorithm.mutator.gates, algorithm.architecture.head.fc.weight)
    before = [t.detach().clone() for t in tensors]
    pair = wrappers(algorithm, **options)
    for seed in range(iterations):
        algorithm.train_step(batch(seed=seed), pair)
    return [t.detach() - b for t, b in zip(tensors, before)]


def assert_same(found, expected):
    for value, other in zip(found, expected):
        assert other.abs().max() > 0
        torch.testing.assert_close(value, other, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize('scales', [(1024.0, 8.0), ('dynamic', 'dynamic')])
def test_each_optimiser_undoes_its_own_loss_scale(build, amp_on_cpu, scales):
    weights, gates = map(scaled, scales)
    assert_same(moved(build, 3, weights=weights, gates=gates), moved(build, 3))


def test_one_optimiser_may_scale_alone(build, amp_on_cpu):
    assert_same(moved(build, 3, weights=scaled(1024.0)), moved(build, 3))
    assert_same(moved(build, 3, gates=scaled(1024.0)), moved(build, 3))


def test_an_overflow_stops_both(build, amp_on_cpu):
    """A step that the weights skip is none for the gates."""
    for step in moved(build, weights=scaled(torch.inf), gates=scaled(8.0)):
        assert step.abs().max() == 0


def test_an_overflow_leaves_gates_without_a_scaler_to_the_budget(build, amp_on_cpu):
    """Dynamic scales begin with some: gates must stay numbers."""
    gates, weight = moved(build, weights=scaled(torch.inf))
    assert weight.abs().max() == 0
    valid = build().mutator.valid
    assert (gates[valid] < 0).all() and torch.isfinite(gates).all()


def test_scaled_gradients_accumulate(build, amp_on_cpu):
    plain = dict(accumulative_counts=2)
    assert_same(
        moved(build, 2, weights=scaled(1.0, **plain), gates=scaled(2.0, **plain)),
        moved(build, 2, weights=plain, gates=plain),
    )


def test_gates_step_while_weights_accumulate(build):
    """Their gradient is the iteration's own, not a fourth of it."""
    gates, weight = moved(build, weights=dict(accumulative_counts=4))
    assert weight.abs().max() == 0
    assert_same([gates], moved(build))


def test_gates_accumulate_while_weights_step(build):
    """Two iterations whose weights hold still: the mean of both steps."""
    still = dict(optimizer=dict(type='SGD', lr=0.0))
    one = moved(build, 1, weights=still)[0]
    first = build(length=10, ramp=0, freeze=0.9).train()
    pair = wrappers(first, still, dict(accumulative_counts=2))
    before = first.mutator.gates.detach().clone()
    first.train_step(batch(seed=0), pair)
    assert torch.equal(first.mutator.gates, before)
    first.train_step(batch(seed=0), pair)
    torch.testing.assert_close(
        first.mutator.gates.detach() - before, one, rtol=1e-3, atol=1e-5
    )


def resnet(with_cp):
    return dict(
        type='mmpretrain.ImageClassifier',
        backbone=dict(
            type='ResNet_CIFAR',
            depth=18,
            in_channels=1,
            base_channels=8,
            with_cp=with_cp,
        ),
        neck=dict(type='GlobalAveragePooling'),
        head=dict(type='LinearClsHead', num_classes=10, in_channels=64),
    )


@pytest.mark.filterwarnings('ignore::UserWarning')
@pytest.mark.parametrize('frozen', [False, True])
def test_activation_checkpointing_changes_no_gradient(build, frozen):
    """Layers run again during backward, with the same gates."""
    found = []
    for with_cp in (False, True):
        algorithm = build(resnet(with_cp)).train()
        with torch.no_grad():
            algorithm.mutator.gates.sub_(0.9)
        algorithm.mutator.frozen = frozen
        pair = wrappers(algorithm, *[dict(accumulative_counts=9)] * 2)
        algorithm.train_step(batch(), pair)
        found.append(
            {
                name: p.grad
                for name, p in algorithm.named_parameters()
                if p.grad is not None
            }
        )
    plain, checkpointed = found
    assert plain.keys() == checkpointed.keys()
    assert ('mutator.gates' in plain) != frozen
    for name, value in plain.items():
        torch.testing.assert_close(checkpointed[name], value, rtol=1e-4, atol=1e-6)
