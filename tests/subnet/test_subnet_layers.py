"""One layer of each kind against plain indexing."""

import pytest
import torch
from torch import nn
from torch.nn.utils import parametrizations, weight_norm

from mmdmcp import SubnetError
from mmdmcp.subnet import LayerWidth
from mmdmcp.subnet.layers import shrink, shrink_parameter, take

IN, OUT = (0, 2, 3), (1, 2, 4, 5)


def small(module, **row):
    change = shrink(module, LayerWidth(**row))
    change.apply()
    return module


@pytest.mark.parametrize('kind', [nn.Conv1d, nn.Conv2d, nn.Conv3d])
def test_conv(kind):
    full = kind(5, 6, 3)
    weight, bias = full.weight.detach().clone(), full.bias.detach().clone()
    conv = small(full, in_=3, out=4, in_kept=IN, out_kept=OUT)
    assert torch.equal(conv.weight, weight[list(OUT)][:, list(IN)])
    assert torch.equal(conv.bias, bias[list(OUT)])
    assert (conv.in_channels, conv.out_channels, conv.groups) == (3, 4, 1)
    size = [1, 3] + [5] * (weight.dim() - 2)
    assert conv(torch.rand(size)).shape[1] == 4


def test_the_first_n_are_kept_by_default():
    full = nn.Conv2d(5, 6, 3, bias=False)
    weight = full.weight.detach().clone()
    conv = small(full, in_=2, out=3)
    assert torch.equal(conv.weight, weight[:3, :2])


@pytest.mark.parametrize('side', ['in_', 'out'])
def test_one_side_alone(side):
    conv = small(nn.Conv2d(5, 6, 1), **{side: 2})
    assert conv.weight.shape[:2] == ((6, 2) if side == 'in_' else (2, 5))


def test_depthwise_with_a_multiplier():
    full = nn.Conv2d(4, 8, 3, groups=4)
    weight = full.weight.detach().clone()
    conv = small(full, in_=2, out=4, groups=2, in_kept=(1, 3), out_kept=(2, 3, 6, 7))
    assert torch.equal(conv.weight, weight[[2, 3, 6, 7]])
    assert conv.groups == 2 and conv(torch.rand(1, 2, 5, 5)).shape[1] == 4


def test_grouped_keeps_other_channels_in_each_group():
    full = nn.Conv2d(6, 8, 3, groups=2)
    x = torch.rand(1, 6, 5, 5)
    in_kept, out_kept = (0, 2, 3, 4), (1, 3, 4, 5)
    mask = torch.zeros(6)
    mask[list(in_kept)] = 1
    expected = full(x * mask[:, None, None])[:, list(out_kept)]
    conv = small(full, in_=4, out=4, in_kept=in_kept, out_kept=out_kept)
    assert conv.groups == 2
    assert torch.allclose(conv(x[:, list(in_kept)]), expected, atol=1e-6)


def test_whole_groups_can_go():
    full = nn.Conv2d(6, 9, 3, groups=3)
    x = torch.rand(1, 6, 5, 5)
    expected = full(x)[:, 3:]
    conv = small(
        full, in_=4, out=6, groups=2, in_kept=(2, 3, 4, 5), out_kept=(3, 4, 5, 6, 7, 8)
    )
    assert torch.allclose(conv(x[:, 2:]), expected, atol=1e-6)


@pytest.mark.parametrize(
    'groups, in_kept, out_kept',
    [
        (1, (0, 3), (1, 2, 5)),
        (2, (1, 2), (0, 4)),
    ],
)
def test_transposed_conv(groups, in_kept, out_kept):
    full = nn.ConvTranspose2d(4, 6, 2, groups=groups)
    x = torch.zeros(1, 4, 3, 3)
    x[:, in_kept] = torch.rand(1, 2, 3, 3)
    expected = full(x)[:, list(out_kept)]
    conv = small(full, in_=2, out=len(out_kept), in_kept=in_kept, out_kept=out_kept)
    assert torch.allclose(conv(x[:, list(in_kept)]), expected, atol=1e-6)


def test_linear():
    full = nn.Linear(5, 6)
    weight = full.weight.detach().clone()
    linear = small(full, in_=3, out=4, in_kept=IN, out_kept=OUT)
    assert torch.equal(linear.weight, weight[list(OUT)][:, list(IN)])
    assert (linear.in_features, linear.out_features) == (3, 4)
    assert linear(torch.rand(2, 3)).shape == (2, 4)


@pytest.mark.parametrize(
    'norm',
    [
        nn.BatchNorm2d(6),
        nn.BatchNorm2d(6, affine=False),
        nn.BatchNorm2d(6, track_running_stats=False),
        nn.SyncBatchNorm(6),
        nn.InstanceNorm2d(6),
        nn.InstanceNorm2d(6, affine=True, track_running_stats=True),
    ],
)
def test_batch_norms_keep_their_statistics(norm):
    tensors = {
        name: tensor.copy_(torch.rand(6)).clone()
        for name, tensor in norm.state_dict().items()
        if tensor.dim()
    }
    norm = small(norm.eval(), out=4, out_kept=OUT)
    assert norm.num_features == 4
    for name, tensor in tensors.items():
        assert torch.equal(getattr(norm, name), tensor[list(OUT)])
    assert norm(torch.rand(2, 4, 3, 3)).shape[1] == 4


def test_layer_norm_and_rms_norm():
    for norm in (
        nn.LayerNorm(6),
        nn.LayerNorm(6, elementwise_affine=False),
        nn.RMSNorm(6),
    ):
        norm = small(norm, out=4, out_kept=OUT)
        assert norm(torch.rand(2, 4)).shape == (2, 4)


def test_group_norm_keeps_its_groups():
    for groups, kept in ((1, OUT), (2, (0, 2, 3, 4))):
        full = nn.GroupNorm(groups, 6)
        nn.init.uniform_(full.weight)
        weight = full.weight.detach().clone()
        norm = small(full, out=4, out_kept=kept)
        assert torch.equal(norm.weight, weight[list(kept)])
        assert norm.num_groups == groups and norm.num_channels == 4
        assert norm(torch.rand(2, 4, 3)).shape == (2, 4, 3)


def test_prelu_and_bare_parameter():
    prelu = small(nn.PReLU(6), out=4, out_kept=OUT)
    assert prelu(torch.rand(2, 4)).shape == (2, 4)
    owner = nn.Module()
    owner.gamma = nn.Parameter(torch.rand(6, 1, 1))
    gamma = owner.gamma.detach().clone()
    shrink_parameter(owner, 'gamma', LayerWidth(out=4, out_kept=OUT)).apply()
    assert torch.equal(owner.gamma, gamma[list(OUT)])
    assert isinstance(owner.gamma, nn.Parameter)


def test_what_is_frozen_stays_frozen_and_types_stay():
    conv = nn.Conv2d(4, 4, 1).double().requires_grad_(False)
    conv = small(conv, in_=2, out=2)
    assert conv.weight.dtype == torch.float64
    assert not conv.weight.requires_grad


def test_nothing_hangs_on_the_full_weights():
    """The small tensors are copies: the full ones can be freed."""
    full = torch.rand(6, 5)
    for rows in ((0, 1), (1, 3)):
        assert take(full, rows).untyped_storage().nbytes() == 2 * 5 * 4
        for columns in ((0, 1, 2), (0, 2, 4)):
            small = take(full, rows, columns)
            assert torch.equal(small, full[list(rows)][:, list(columns)])
            assert small.untyped_storage().nbytes() == 2 * 3 * 4


def test_a_plan_changes_nothing():
    conv = nn.Conv2d(4, 4, 1)
    change = shrink(conv, LayerWidth(in_=2, out=2))
    assert conv.weight.shape == (4, 4, 1, 1) and conv.in_channels == 4
    assert change.saved_numel() == 16 - 4 + 2


@pytest.mark.parametrize(
    'module, row, why',
    [
        (nn.Conv2d(4, 4, 1), dict(out=5), 'out: 5 channels up to index 4 .* 4$'),
        (nn.Conv2d(4, 4, 1), dict(in_=2, in_kept=(0, 9)), 'in: .* index 9'),
        (nn.Conv2d(4, 4, 1), dict(in_=2, out=2, groups=2), 'leave 1 groups'),
        (nn.Conv2d(4, 4, 1, groups=4), dict(in_=2, out=2), 'leave 2 groups'),
        (nn.Conv2d(4, 4, 1, groups=4), dict(in_=2, out=3), 'unevenly'),
        (nn.Conv2d(4, 4, 1, groups=4), dict(out=3), 'unevenly'),
        (nn.Conv2d(4, 8, 1, groups=2), dict(in_=2, out=6), 'unevenly'),
        (nn.Linear(4, 4), dict(in_=2, out=2, groups=2), 'no groups'),
        (nn.Linear(4, 4), dict(out=8), 'the layer has 4'),
        (nn.BatchNorm2d(4), dict(in_=2), 'is a norm and has only out'),
        (nn.BatchNorm2d(4), dict(in_=2, out=2), 'is a norm and has only out'),
        (nn.GroupNorm(2, 4), dict(out=3), 'some would keep 1 and some 2'),
        (nn.LayerNorm((4, 4)), dict(out=3), 'a norm over whole maps knows its size'),
        (nn.PReLU(), dict(out=3), 'the layer has 1'),
        (nn.ReLU(), dict(out=3), 'is a ReLU; only'),
        (nn.Sequential(nn.Conv2d(4, 4, 1)), dict(out=3), 'is a Sequential'),
        (nn.LazyConv2d(4, 1), dict(out=3), 'lazy'),
        (
            parametrizations.weight_norm(nn.Conv2d(4, 4, 1)),
            dict(out=3),
            'computes its weight',
        ),
        pytest.param(
            weight_norm(nn.Conv2d(4, 4, 1)),
            dict(out=3),
            'computes its weight',
            marks=pytest.mark.filterwarnings('ignore'),
        ),
    ],
)
def test_a_row_that_does_not_fit(module, row, why):
    with pytest.raises(SubnetError, match=why):
        shrink(module, LayerWidth(**row))


def test_parameters_of_layers_are_not_bare():
    with pytest.raises(SubnetError, match='list the layer itself'):
        shrink_parameter(nn.BatchNorm2d(4), 'weight', LayerWidth(out=2))
    owner = nn.Module()
    owner.scale = nn.Parameter(torch.tensor(1.0))
    with pytest.raises(SubnetError, match='single number'):
        shrink_parameter(owner, 'scale', LayerWidth(out=2))
