"""A sliced layer computes what the narrow layer would, forward and back."""

import copy

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from mmdmcp.ops import Layout, Segment, SlicedLayer
from mmdmcp.ops.weight_slice import WeightSlice, slice_parameter
from mmdmcp.subnet import LayerWidth
from mmdmcp.subnet.layers import shrink

ONE = Layout([Segment(0, 8, unit=0)])
TWO = Layout([Segment(0, 6, unit=1)])
DOUBLE = Layout([Segment(0, 16, unit=0, expand=2)])
CONCAT = Layout([Segment(0, 8, unit=0), Segment(8, 14, unit=1)])
GROUPS = Layout([Segment(0, 4, unit=2), Segment(4, 8, unit=2)])
FLAT = Layout([Segment(0, 32, unit=0, expand=4)])
# What layers call their numbers of inputs and outputs.
SIZES = (
    'in_channels',
    'in_features',
    'out_channels',
    'out_features',
    'num_features',
    'num_channels',
    'normalized_shape',
)
# Prefixes; index lists; everything.
SELECTIONS = [(5, 4, 3), ((0, 3, 4, 7), (1, 2), (0, 2)), (8, 6, 4)]

CASES = {
    'conv': (lambda: nn.Conv2d(8, 6, 3, padding=1), ONE, TWO),
    'conv without bias': (lambda: nn.Conv2d(8, 6, 1, bias=False), ONE, TWO),
    'after a concatenation': (lambda: nn.Conv2d(14, 8, 1), CONCAT, ONE),
    'into a concatenation': (lambda: nn.Conv2d(8, 14, 1), ONE, CONCAT),
    'only inputs': (lambda: nn.Conv2d(8, 5, 1), ONE, Layout.fixed(5)),
    'only outputs': (lambda: nn.Conv2d(3, 8, 1), Layout.fixed(3), ONE),
    'grouped': (lambda: nn.Conv2d(8, 8, 3, groups=2), GROUPS, GROUPS),
    'depthwise': (lambda: nn.Conv2d(8, 8, 3, groups=8), ONE, ONE),
    'depthwise with a multiplier': (
        lambda: nn.Conv2d(8, 16, 3, groups=8),
        ONE,
        DOUBLE,
    ),
    'transposed': (lambda: nn.ConvTranspose2d(8, 6, 3, stride=2), ONE, TWO),
    'transposed after a concatenation': (
        lambda: nn.ConvTranspose2d(14, 8, 2, bias=False),
        CONCAT,
        ONE,
    ),
    'transposed, grouped': (
        lambda: nn.ConvTranspose2d(8, 8, 3, groups=2),
        GROUPS,
        GROUPS,
    ),
    'transposed, depthwise': (
        lambda: nn.ConvTranspose2d(8, 16, 3, groups=8),
        ONE,
        DOUBLE,
    ),
    'conv1d': (lambda: nn.Conv1d(8, 6, 3), ONE, TWO),
    'linear': (lambda: nn.Linear(8, 6), ONE, TWO),
    'linear after flatten': (lambda: nn.Linear(32, 6), FLAT, TWO),
    'batch norm': (lambda: nn.BatchNorm2d(8), ONE, ONE),
    'norm of a concatenation': (lambda: nn.BatchNorm2d(14), CONCAT, CONCAT),
    'group norm': (lambda: nn.GroupNorm(2, 8), GROUPS, GROUPS),
    'batch norm without weights': (lambda: nn.BatchNorm2d(8, affine=False), ONE, ONE),
    'layer norm without weights': (
        lambda: nn.LayerNorm(8, elementwise_affine=False),
        ONE,
        ONE,
    ),
    'layer norm': (lambda: nn.LayerNorm(8), ONE, ONE),
    'prelu': (lambda: nn.PReLU(8), ONE, ONE),
}


def reference(module, rows, cols, x):
    """The layer with plainly indexed tensors: autograd's own slicing."""
    if isinstance(module, nn.PReLU):
        return F.prelu(x, module.weight[rows])
    if isinstance(module, nn.ConvTranspose2d):
        # As one matrix from all inputs to all outputs, zero between groups.
        size = module.weight.size(1)
        weight = torch.cat(
            [
                F.pad(w, (0, 0, 0, 0, i * size, module.out_channels - (i + 1) * size))
                for i, w in enumerate(module.weight.chunk(module.groups))
            ]
        )[cols][:, rows]
        bias = None if module.bias is None else module.bias[rows]
        return F.conv_transpose2d(x, weight, bias, module.stride)
    weight, bias = (
        None if tensor is None else tensor[rows]
        for tensor in (module.weight, module.bias)
    )
    if isinstance(module, (nn.Conv1d, nn.Conv2d)):
        groups = module.groups
        if groups == module.in_channels:
            groups = len(cols)
        else:
            size = module.in_channels // groups
            weight = weight[:, [c for c in cols if c < size]]
        conv = F.conv1d if isinstance(module, nn.Conv1d) else F.conv2d
        return conv(
            x, weight, bias, module.stride, module.padding, module.dilation, groups
        )
    if isinstance(module, nn.Linear):
        return F.linear(x, weight[:, cols], bias)
    if isinstance(module, nn.GroupNorm):
        return F.group_norm(x, module.num_groups, weight, bias)
    if isinstance(module, nn.LayerNorm):
        return F.layer_norm(x, (len(rows),), weight, bias)
    mean, var = module.running_mean[rows], module.running_var[rows]
    out = F.batch_norm(x, mean, var, weight, bias, training=True)
    module.running_mean[rows], module.running_var[rows] = mean, var
    return out


def make(case):
    torch.manual_seed(0)
    build, inputs, outputs = CASES[case]
    module = build()
    for parameter in module.parameters():
        nn.init.normal_(parameter)
    return module, inputs, outputs


def sample(module, channels):
    if isinstance(module, (nn.Linear, nn.LayerNorm)):
        return torch.randn(5, channels, requires_grad=True)
    if isinstance(module, nn.Conv1d):
        return torch.randn(5, channels, 7, requires_grad=True)
    return torch.randn(5, channels, 7, 7, requires_grad=True)


@pytest.mark.parametrize('selections', SELECTIONS, ids=str)
@pytest.mark.parametrize('case', CASES)
def test_output_and_gradients_are_those_of_plain_slicing(case, selections):
    module, inputs, outputs = make(case)
    module.double()
    other = copy.deepcopy(module)
    layer = SlicedLayer('layer', module, inputs, outputs)
    layer.select(selections)
    rows, cols = (list(side.indices(selections)) for side in (outputs, inputs))
    x = sample(module, len(cols)).detach().double().requires_grad_()
    y = x.detach().clone().requires_grad_()

    for _ in range(2):  # gradients add up over networks
        out, expected = layer(x), reference(other, rows, cols, y)
        torch.testing.assert_close(out, expected)
        weight = torch.randn_like(out)
        (out * weight).sum().backward()
        (expected * weight).sum().backward()
    torch.testing.assert_close(x.grad, y.grad)
    for name, parameter in module.named_parameters():
        torch.testing.assert_close(parameter.grad, other.get_parameter(name).grad)
    for name, buffer in module.named_buffers():
        if name != 'num_batches_tracked':
            torch.testing.assert_close(buffer, other.get_buffer(name))


@pytest.mark.parametrize('case', CASES)
def test_at_full_width_nothing_has_changed(case):
    module, inputs, outputs = make(case)
    before = copy.deepcopy(vars(module))
    layer = SlicedLayer('layer', module, inputs, outputs)
    layer.select((3, 3, 2))
    layer.select((8, 6, 4))
    assert set(vars(module)) == set(before)
    for key in ('groups', *SIZES):
        assert getattr(module, key, None) == before.get(key)
    x = sample(module, inputs.size)
    torch.testing.assert_close(layer(x), type(module).forward(module, x))


class ScaledConv(nn.Conv2d):
    """Divides by a number that it computes from its size."""

    def forward(self, x):
        return super().forward(x) / (self.in_channels * self.out_channels)


@pytest.mark.parametrize('selections', SELECTIONS, ids=str)
def test_what_a_layer_computes_from_its_size_is_what_a_static_one_does(selections):
    module = ScaledConv(8, 6, 3)
    layer = SlicedLayer('layer', module, ONE, TWO)
    static = copy.deepcopy(module)
    layer.select(selections)
    rows, cols = TWO.indices(selections), ONE.indices(selections)
    shrink(static, LayerWidth(len(cols), len(rows), None, cols, rows)).apply()
    x = sample(module, len(cols))
    torch.testing.assert_close(layer(x), static(x))


@pytest.mark.parametrize('selections', SELECTIONS, ids=str)
@pytest.mark.parametrize('case', CASES)
def test_sizes_are_those_of_the_narrow_layer(case, selections):
    module, inputs, outputs = make(case)
    SlicedLayer('layer', module, inputs, outputs).select(selections)
    for key in SIZES:
        side = inputs if key.startswith('in') else outputs
        size = getattr(module, key, None)
        assert size in (None, side.count(selections), (side.count(selections),))


@pytest.mark.parametrize(
    'case',
    [
        'conv',
        'conv without bias',
        'transposed',
        'transposed, grouped',
        'batch norm',
        'linear',
        'layer norm',
        'batch norm without weights',
        'layer norm without weights',
    ],
)
@pytest.mark.parametrize('selections', SELECTIONS[::2], ids=str)
def test_scales_multiply_the_outputs(case, selections):
    module, inputs, outputs = make(case)
    module.eval()
    layer = SlicedLayer('layer', module, inputs, outputs)
    layer.select(selections)
    rows, cols = (outputs.indices(selections), inputs.indices(selections))
    x = sample(module, len(cols))
    plain = layer(x)
    scales = [torch.rand(c, requires_grad=True) for c in (8, 6, 4)]
    layer.scale(scales)
    s = outputs.spread(scales)[list(rows)]
    last = isinstance(module, (nn.Linear, nn.LayerNorm))
    shape = (1, -1) + (1,) * (0 if last else plain.dim() - 2)
    expected = plain * s.view(shape)
    torch.testing.assert_close(layer(x), expected)
    got = torch.autograd.grad(layer(x).square().sum(), scales, allow_unused=True)
    wanted = torch.autograd.grad(expected.square().sum(), scales, allow_unused=True)
    for a, b in zip(got, wanted):
        assert (a is None) == (b is None)
        if a is not None:
            torch.testing.assert_close(a, b)


def test_frozen_parameters_get_no_gradient():
    module, inputs, outputs = make('conv')
    module.requires_grad_(False)
    layer = SlicedLayer('layer', module, inputs, outputs)
    layer.select((5, 4, 3))
    x = sample(module, 5)
    layer(x).sum().backward()
    assert module.weight.grad is None and x.grad is not None


def test_an_exception_leaves_the_layer_whole():
    module, inputs, outputs = make('conv')
    layer = SlicedLayer('layer', module, inputs, outputs)
    layer.select((5, 4, 3))
    with pytest.raises(RuntimeError):
        layer(torch.randn(1, 8, 7, 7))
    assert 'weight' not in vars(module)
    assert module.weight.shape == (6, 8, 3, 3)


@pytest.mark.parametrize('dims', [(True, True), (True, False), (False, True)])
def test_channels_from_all_over_a_layer(dims):
    """In so many pieces that they are taken by index."""
    generator = torch.Generator().manual_seed(0)
    kept = [
        tuple(torch.randperm(64, generator=generator)[:30].sort().values.tolist())
        if used
        else tuple(range(64))
        for used in dims
    ]
    ranges = [
        Layout([Segment(0, 64, unit=0)]).ranges([k]) if u else None
        for k, u in zip(kept, dims)
    ]
    part = WeightSlice(*ranges)
    weight = torch.randn(64, 64, 3, generator=generator).requires_grad_()
    block = weight[list(kept[0])][:, list(kept[1])]
    assert torch.equal(part.take(weight.detach()), block.detach())
    # Gradients add up where the part lies; the rest has none.
    slope = torch.randn(block.shape, generator=generator)
    (2 * slope * block).sum().backward()
    expected, weight.grad = weight.grad, None
    for _ in range(2):
        (slope * slice_parameter(weight, part)).sum().backward()
    torch.testing.assert_close(weight.grad, expected)
    total = torch.zeros(64, 64, 3)
    part.put(total, slope)
    assert torch.equal(part.take(total), slope)
    assert total.count_nonzero() == slope.count_nonzero()
