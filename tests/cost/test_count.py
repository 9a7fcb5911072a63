"""torch's count of what runs."""

import torch
from torch import nn

from mmdmcp.cost import count


def test_a_convolution_and_a_linear_layer():
    conv, linear = nn.Conv2d(3, 8, 3, groups=1), nn.Linear(8, 5)
    x = torch.rand(1, 3, 6, 6)
    # 4x4 positions of 3x3 kernels, then 8 x 5.
    assert count(lambda: conv(x)) == 4 * 4 * 3 * 3 * 3 * 8
    assert count(lambda: linear(conv(x).mean((2, 3)))) == 3456 + 40
    assert count(lambda: None) == 0


def test_no_gradients_are_kept():
    linear = nn.Linear(8, 5)
    seen = []
    count(lambda: seen.append(linear(torch.rand(1, 8))))
    assert not seen[0].requires_grad
