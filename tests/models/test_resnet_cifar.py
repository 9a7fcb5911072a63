"""The CIFAR ResNet against He et al.'s closed forms."""

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from mmdmcp.errors import ConfigError
from mmdmcp.models.resnet_cifar import ResNetCifar
from mmdmcp.registry import MODELS


def count_macs(net, image):
    """Multiply-accumulates as torch counts them, 2 FLOPs each."""
    counter = FlopCounterMode(display=False)
    with counter, torch.no_grad():
        net(image)
    return counter.get_total_flops() // 2


def closed_form_macs(n, widths=(16, 32, 64), side=32, in_channels=3):
    """3x3 convolutions stage by stage, and two 1x1 projections."""
    total = 9 * in_channels * widths[0] * side**2
    width_in = widths[0]
    for stage, width in enumerate(widths):
        area = (side // 2**stage) ** 2
        total += 9 * width_in * width * area
        total += 9 * width**2 * area * (2 * n - 1)
        if stage > 0:
            total += width_in * width * area
        width_in = width
    return total


@pytest.mark.parametrize('depth', [8, 20, 56])
def test_macs_equal_the_closed_form(depth):
    net = ResNetCifar(depth)
    assert count_macs(net, torch.zeros(1, 3, 32, 32)) == closed_form_macs(
        (depth - 2) // 6
    )


def test_resnet20_is_the_41_million_network():
    # 40.55 M with zero-padded shortcuts; two projections add 0.26 M.
    net = ResNetCifar(20)
    assert count_macs(net, torch.zeros(1, 3, 32, 32)) + 640 == 40_813_184


@pytest.mark.parametrize(
    'depth, millions', [(20, 0.27), (32, 0.46), (44, 0.66), (56, 0.85), (110, 1.7)]
)
def test_parameters_are_the_papers(depth, millions):
    """Table 6 of the paper, which has no projections, and a classifier."""
    params = sum(p.numel() for p in ResNetCifar(depth).parameters()) + 650
    projections = 16 * 32 + 32 * 64 + 2 * (32 + 64)
    assert projections == 2752
    assert (params - projections) / 1e6 == pytest.approx(
        millions, abs=0.05 if depth == 110 else 0.005
    )


def test_depth_counts_the_layers_of_the_main_path():
    net = ResNetCifar(20)
    convs = [m for m in net.modules() if isinstance(m, torch.nn.Conv2d)]
    main_path = [c for c in convs if c.kernel_size == (3, 3)]
    assert len(main_path) + 1 == 20
    assert len(convs) - len(main_path) == 2


def test_layer_names_follow_mmpretrain():
    names = dict(ResNetCifar(20).named_modules())
    for name in (
        'conv1',
        'bn1',
        'layer1.0.conv1',
        'layer1.2.bn2',
        'layer2.0.downsample.0',
        'layer3.0.downsample.1',
    ):
        assert name in names
    assert 'layer1.0.downsample' not in names


def test_stages_halve_the_resolution():
    net = ResNetCifar(8, in_channels=1, out_indices=(0, 1, 2))
    outs = net(torch.zeros(2, 1, 8, 8))
    assert [tuple(o.shape) for o in outs] == [
        (2, 16, 8, 8),
        (2, 32, 4, 4),
        (2, 64, 2, 2),
    ]


def test_stage_widths_can_be_given_one_by_one():
    net = ResNetCifar(8, base_channels=(11, 23, 46), in_channels=1)
    assert net(torch.zeros(1, 1, 8, 8))[0].shape == (1, 46, 2, 2)
    assert count_macs(net, torch.zeros(1, 1, 8, 8)) == closed_form_macs(
        1, (11, 23, 46), side=8, in_channels=1
    )


def test_a_block_computes_relu_of_residual_plus_shortcut():
    block = ResNetCifar(8).layer2[0].eval()
    x = torch.randn(2, 16, 6, 6)
    out = torch.relu(block.bn1(block.conv1(x)))
    expected = block.bn2(block.conv2(out)) + block.downsample(x)
    assert torch.equal(block(x), torch.relu(expected))


def test_init_weights_is_kaiming_normal():
    net = ResNetCifar(20)
    net.init_weights()
    weight = net.layer3[1].conv1.weight  # fan out 9 * 64
    assert weight.std().item() == pytest.approx((2 / (9 * 64)) ** 0.5, rel=0.05)
    assert torch.equal(net.bn1.weight, torch.ones(16))


def test_frozen_stages_stay_frozen_in_train_mode():
    net = ResNetCifar(8, frozen_stages=1).train()
    assert not net.bn1.training and not net.layer1.training
    assert net.layer2.training
    frozen = {
        name.split('.')[0] for name, p in net.named_parameters() if not p.requires_grad
    }
    assert frozen == {'conv1', 'bn1', 'layer1'}


def test_norm_eval_keeps_running_statistics():
    net = ResNetCifar(8, norm_eval=True).train()
    net(torch.randn(2, 3, 8, 8))
    assert torch.equal(net.bn1.running_mean, torch.zeros(16))
    assert net.conv1.training


@pytest.mark.parametrize(
    'kwargs, word',
    [
        (dict(depth=18), '6n'),
        (dict(depth=2), '6n'),
        (dict(depth=20.0), '6n'),
        (dict(depth=20, base_channels=0), 'base_channels'),
        (dict(depth=20, base_channels=(16, 32)), 'base_channels'),
        (dict(depth=20, out_indices=(3,)), 'out_indices'),
        (dict(depth=20, out_indices=()), 'out_indices'),
        (dict(depth=20, frozen_stages=4), 'frozen_stages'),
    ],
)
def test_wrong_arguments_are_named(kwargs, word):
    with pytest.raises(ConfigError, match=word):
        ResNetCifar(**kwargs)


def test_builds_by_name_beside_mmpretrains_own():
    from mmpretrain.registry import MODELS as HOST

    net = HOST.build(dict(type='mmdmcp.ResNetCifar', depth=8))
    assert isinstance(net, ResNetCifar)
    assert MODELS.get('mmdmcp.ResNetCifar') is ResNetCifar
    assert HOST.get('ResNet_CIFAR') is not ResNetCifar
