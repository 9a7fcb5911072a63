"""At how many positions weights are applied, on layers one can count."""

import pytest
import torch
from torch import nn

from mmdmcp.cost import read_positions


def positions(model, *shape):
    return read_positions(model, lambda: model(torch.zeros(1, *shape)))


def test_convolutions_and_linear_layers():
    model = nn.Sequential(
        nn.Conv2d(3, 4, 3, stride=2, padding=1),
        nn.BatchNorm2d(4),
        nn.PReLU(4),
        nn.Conv2d(4, 4, 5, padding=2, groups=4),
        nn.Conv2d(4, 6, (1, 3), groups=2),
        nn.Flatten(2),
        nn.Linear(48, 10),
    )
    # A linear layer here is applied to each of six rows.
    assert positions(model, 3, 16, 16) == {'0': 64, '3': 64, '4': 48, '6': 6}


@pytest.mark.parametrize('groups', [1, 2, 4])
def test_a_transposed_convolution_is_applied_at_every_input(groups):
    model = nn.ConvTranspose2d(4, 8, 4, stride=2, padding=1, groups=groups)
    assert positions(model, 4, 5, 7) == {'': 35}


def test_the_calls_of_a_shared_layer_add_up():
    conv = nn.Conv2d(3, 3, 3, padding=1)
    model = nn.Sequential(conv, nn.AvgPool2d(2), conv)
    assert positions(model, 3, 8, 8) == {'0': 64 + 16}
    assert model(torch.zeros(1, 3, 8, 8)).shape[-1] == 4


def test_arguments_may_have_names():
    model = nn.Linear(3, 4)
    found = read_positions(model, lambda: model(input=torch.zeros(5, 3)))
    assert found == {'': 5}
