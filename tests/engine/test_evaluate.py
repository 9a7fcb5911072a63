"""Evaluation of networks that training did not leave ready for it."""

import copy
import random

import numpy as np
import pytest
import torch
from mmengine.dataset import DefaultSampler, InfiniteSampler
from mmengine.model import BaseModel
from torch import nn
from torch.utils.data import DataLoader

from mmdmcp.engine import (
    evaluate_loss,
    frozen_statistics,
    frozen_weights,
    recalibrate,
    same_randomness,
    take_batches,
)
from mmdmcp.errors import DataError


class Net(BaseModel):
    """A batch norm, a convolution and a second batch norm."""

    def __init__(self):
        super().__init__()
        self.layers = nn.Sequential(
            nn.BatchNorm2d(2), nn.Conv2d(2, 3, 1), nn.BatchNorm2d(3), nn.Dropout(0.5)
        )

    def forward(self, inputs, data_samples=None, mode='tensor'):
        return self.layers(inputs)


@pytest.fixture
def batches():
    generator = torch.Generator().manual_seed(0)
    return [
        dict(inputs=torch.randn(5, 2, 4, 4, generator=generator) + 3) for _ in range(3)
    ]


def test_recalibration_averages_the_statistics_of_all_batches(batches):
    """Against NumPy, for the norm that sees the data itself."""
    net = Net()
    for norm in (net.layers[0], net.layers[2]):
        norm.running_mean.fill_(100.0)
    recalibrate(net, batches)
    data = [b['inputs'].numpy() for b in batches]
    means = np.mean([d.mean(axis=(0, 2, 3)) for d in data], axis=0)
    variances = np.mean([d.var(axis=(0, 2, 3), ddof=1) for d in data], axis=0)
    norm = net.layers[0]
    np.testing.assert_allclose(norm.running_mean.numpy(), means, rtol=1e-5)
    np.testing.assert_allclose(norm.running_var.numpy(), variances, rtol=1e-5)
    assert net.layers[2].running_mean.abs().max() < 10
    assert norm.momentum == 0.1 and not net.training


def test_recalibration_changes_nothing_else(batches):
    net = Net()
    before = {n: p.clone() for n, p in net.named_parameters()}
    recalibrate(net, batches)
    assert all(torch.equal(p, before[n]) for n, p in net.named_parameters())


def draws():
    return random.random(), np.random.rand(), torch.rand(()).item()


def test_same_randomness():
    states = random.getstate(), np.random.get_state(), torch.get_rng_state()
    expected = draws()
    random.setstate(states[0])
    np.random.set_state(states[1])
    torch.set_rng_state(states[2])
    with same_randomness():
        draws()
        torch.manual_seed(5)
    assert draws() == expected


def test_batches_do_not_depend_on_what_ran_before():

    class Noisy(torch.utils.data.Dataset):
        def __len__(self):
            return 20

        def __getitem__(self, index):
            return index + torch.rand(())

    dataset = Noisy()
    sampler = DefaultSampler(dataset, shuffle=True, seed=3)
    loader = DataLoader(dataset, batch_size=4, sampler=sampler)
    first = take_batches(loader, 2)
    sampler.set_epoch(7)
    torch.rand(100)
    second = take_batches(loader, 2)
    assert len(first) == 2
    assert all(torch.equal(a, b) for a, b in zip(first, second))


class Numbers(torch.utils.data.Dataset):
    def __len__(self):
        return 20

    def __getitem__(self, index):
        return torch.tensor(index)


@pytest.mark.parametrize('sampler', [InfiniteSampler, DefaultSampler])
@pytest.mark.parametrize('workers', [0, 1])
def test_batches_do_not_disturb_an_iteration(sampler, workers):
    """Neither an endless one nor one with workers that stay."""

    def load():
        return DataLoader(
            Numbers(),
            batch_size=4,
            sampler=sampler(Numbers(), shuffle=True, seed=3),
            num_workers=workers,
            persistent_workers=workers > 0,
        )

    expected = [b.tolist() for b, _ in zip(iter(load()), range(5))]
    loader = load()
    iterator = iter(loader)
    found, taken = [], []
    for _ in range(5):
        with same_randomness():
            taken.append(torch.stack(take_batches(loader, 3)).tolist())
        found.append(next(iterator).tolist())
    assert found == expected
    assert all(batches == taken[0] for batches in taken)


def test_batches_end_with_the_data():
    loader = DataLoader(
        Numbers(), batch_size=6, sampler=InfiniteSampler(Numbers(), seed=0)
    )
    assert [len(batch) for batch in take_batches(loader, 9)] == [6, 6, 6]


def test_no_batches_are_an_error():
    loader = DataLoader(Numbers(), batch_size=4)
    with pytest.raises(DataError, match='20 samples and 0 batches'):
        take_batches(loader, 0)


def test_norms_that_prediction_does_not_run_keep_their_statistics(batches):
    net = Net()
    net.auxiliary = nn.BatchNorm2d(2)
    net.auxiliary(batches[0]['inputs'])
    before = copy.deepcopy(net.auxiliary.state_dict())
    recalibrate(net, batches)
    for name, value in net.auxiliary.state_dict().items():
        assert torch.equal(value, before[name]), name
    assert net.layers[0].num_batches_tracked == len(batches)


def test_frozen_statistics_of_instance_norms():
    """They write into the statistics that they have, tracked or not."""
    norm = nn.InstanceNorm2d(2, track_running_stats=True)
    x = torch.randn(3, 2, 4, 4) + 3
    plain = norm(x)
    before = copy.deepcopy(norm.state_dict())
    with frozen_statistics(norm):
        assert torch.equal(norm(x), plain)
    assert norm.state_dict().keys() == before.keys()
    for name, value in norm.state_dict().items():
        assert torch.equal(value, before[name]), name
    with frozen_statistics(norm.eval()):
        assert not torch.allclose(norm(x), plain)


def test_frozen_statistics_use_the_batch_and_keep_nothing(batches):
    net = Net().train()
    x = batches[0]['inputs']
    net.layers[3].p = 0.0
    plain = net(x)
    net = Net().train()
    net.layers[3].p = 0.0
    before = {n: b.clone() for n, b in net.named_buffers()}
    with frozen_statistics(net):
        net(x)
    for name, buffer in net.named_buffers():
        assert torch.equal(buffer, before[name]), name
    assert plain.mean().abs() < 1e-5  # normalised by the batch
    net(x)
    assert not torch.equal(net.layers[0].running_mean, before['layers.0.running_mean'])


def test_frozen_weights_come_back_as_they_were():
    net = Net()
    net.layers[0].weight.requires_grad_(False)
    with frozen_weights(net):
        assert not any(p.requires_grad for p in net.parameters())
    assert not net.layers[0].weight.requires_grad
    assert net.layers[1].weight.requires_grad


def test_the_loss_is_the_mean_over_all_samples():
    """In eval mode, whatever the size of the last batch."""

    class Squares(BaseModel):
        def forward(self, inputs, data_samples=None, mode='tensor'):
            assert mode == 'loss' and not self.training
            return dict(loss=((inputs - data_samples) ** 2).mean())

    values = torch.arange(5.0)
    loader = DataLoader([dict(inputs=v, data_samples=v + v) for v in values], 2)
    expected = float((values**2).mean())
    assert evaluate_loss(Squares(), loader) == pytest.approx(expected)
