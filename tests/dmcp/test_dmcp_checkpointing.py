"""Chains whose blocks are run again during backward."""

import pytest
import torch
from common.small_net import batch, optimisers
from mmengine.model import BaseModel
from mmengine.runner.activation_checkpointing import turn_on_activation_checkpointing
from torch import nn
from torch.nn.functional import cross_entropy


class Net(BaseModel):
    """Its first block reads the image, which gives no gradient."""

    def __init__(self):
        super().__init__(dict(type='mmpretrain.ClsDataPreprocessor'))
        self.first = nn.Sequential(
            nn.Conv2d(1, 16, 3, padding=1),
            nn.BatchNorm2d(16),
            nn.ReLU(),
            nn.Conv2d(16, 16, 3),
            nn.BatchNorm2d(16),
        )
        self.second = nn.Sequential(nn.Conv2d(16, 16, 3), nn.BatchNorm2d(16))
        self.head = nn.Module()
        self.head.fc = nn.Linear(16, 10)

    def forward(self, inputs, data_samples=None, mode='tensor'):
        inputs.mul_(2.0)  # a network may do so
        logits = self.head.fc(self.second(self.first(inputs)).mean((2, 3)))
        if mode != 'loss':
            return logits
        labels = torch.cat([sample.gt_label for sample in data_samples])
        return dict(loss=cross_entropy(logits, labels))


def chain_gradient(build, checkpointed):
    torch.manual_seed(0)
    algorithm = build(Net(), arch_start=0)
    algorithm.schedule.set_length(4)
    algorithm.train()
    if checkpointed:
        turn_on_activation_checkpointing(algorithm, ['architecture.first'])
    wrappers = optimisers(algorithm, accumulative_counts=9)
    data = algorithm.data_preprocessor(batch(), True)
    algorithm._train_chains(data, wrappers['mutator'])
    assert not data['inputs'].requires_grad
    return algorithm.mutator.alpha.grad


@pytest.mark.filterwarnings('ignore::UserWarning', 'ignore::FutureWarning')
def test_a_block_whose_inputs_need_no_gradient_trains_its_chains(build):
    plain, checkpointed = (
        chain_gradient(build, checkpointed) for checkpointed in (False, True)
    )
    assert (plain.norm(dim=1) > 0).all()
    torch.testing.assert_close(checkpointed, plain, rtol=1e-4, atol=1e-7)


class Apart(Net):
    """The loss reads none of the units' outputs."""

    def forward(self, inputs, data_samples=None, mode='tensor'):
        logits = super().forward(inputs)
        if mode != 'loss':
            return logits
        return dict(loss=(inputs * self.head.fc.weight.mean()).sum())


def test_chains_that_the_loss_does_not_read(build):
    """The budget alone trains them."""
    algorithm = build(Apart(), arch_start=0)
    algorithm.schedule.set_length(4)
    algorithm.train()
    before = algorithm.mutator.alpha.detach().clone()
    data = algorithm.data_preprocessor(batch(), True)
    algorithm._train_chains(data, optimisers(algorithm)['mutator'])
    assert not torch.equal(algorithm.mutator.alpha, before)
