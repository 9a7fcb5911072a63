"""The closed form is torch's own count, and differentiable."""

import pytest
import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from mmdmcp.cost import CostModel, LayerCost
from mmdmcp.ops import Layout, Segment

A, B = Layout([Segment(0, 12, unit=0)]), Layout([Segment(0, 8, unit=1)])


def net(a, b):
    """Convolution, depthwise, grouped, norm and classifier, at widths a
    and b."""
    return nn.Sequential(
        nn.Conv2d(3, a, 3, stride=2, padding=1),
        nn.BatchNorm2d(a),
        nn.Conv2d(a, a, 5, padding=2, groups=a, bias=False),
        nn.Conv2d(a, 2 * b, (1, 3), groups=2),
        nn.AdaptiveAvgPool2d(2),
        nn.Flatten(),
        nn.Linear(8 * b, 10),
    )


def cost_model():
    grouped = Layout([Segment(0, 8, unit=1), Segment(8, 16, unit=1)])
    flat = Layout([Segment(0, 32, unit=1, expand=4), Segment(32, 64, unit=1, expand=4)])
    one = Layout.fixed(1)
    run = lambda: net(12, 8)(torch.zeros(1, 3, 16, 16))
    assert run().shape == (1, 10)
    return CostModel(
        [
            LayerCost('0', Layout.fixed(3), A, 1, 9 * 64, 9, 1),
            LayerCost('1', one, A, vectors=2),
            LayerCost('2', one, A, 1, 25 * 64, 25, 0),
            LayerCost('3', A, grouped, 2, 3 * 48, 3, 1),
            LayerCost('6', flat, Layout.fixed(10), 1, 1, 1, 1),
        ],
        num_units=2,
        other_params=0,
    )


@pytest.mark.parametrize('a, b', [(12, 8), (2, 1), (10, 3), (4, 7)])
def test_closed_form_is_torchs_count(a, b):
    model, widths = net(a, b), torch.tensor([a, b])
    with FlopCounterMode(display=False) as counter:
        model(torch.zeros(1, 3, 16, 16))
    cost = cost_model()
    assert cost.macs(widths) == counter.get_total_flops() // 2
    assert cost.params(widths) == sum(p.numel() for p in model.parameters())
    assert cost.layer_macs(widths).sum() == cost.macs(widths)


def test_constants_are_added():
    with_rest = CostModel(cost_model().layers, 2, other_params=7, other_macs=5)
    widths = torch.tensor([4, 4])
    assert with_rest.macs(widths) == cost_model().macs(widths) + 5
    assert with_rest.params(widths) == cost_model().params(widths) + 7


@pytest.mark.parametrize('count', ['macs', 'params'])
def test_gradient_is_that_of_finite_differences(count):
    cost = getattr(cost_model(), count)
    widths = torch.tensor([5.3, 2.9], dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(cost, (widths,), rtol=1e-6)
    (gradient,) = torch.autograd.grad(cost(widths), widths)
    assert (gradient > 0).all()  # inputs and outputs both carry it
