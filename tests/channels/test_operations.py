"""What torch's operations do to channels: torch itself says which there are."""

import inspect

import pytest
import torch
from torch import nn

from mmdmcp.channels.kinds import LIKE, MOVES, is_pointwise
from mmdmcp.supernet import Supernet

#: Entry by entry on a row of numbers, yet no function of entries: they
#: change memory or types, or look one up among all of the others.
# No numbers change, or torch runs it as something else (contiguous: clone).
OTHER = {
    'contiguous',
    'squeeze_',
    'unsqueeze_',
    'isin',
    'resize_as',
    'resize_as_',
    'set_',
    'slice_scatter',
    'to',
}


def overloads():
    """All overloads of torch's primitive operations on a tensor, with the
    number of tensors that they need and no other argument."""
    for name in dir(torch.ops.aten):
        packet = getattr(torch.ops.aten, name)
        if not hasattr(packet, 'overloads') or 'backward' in name:
            continue
        for overload in packet.overloads():
            func = getattr(packet, overload)
            arguments = func._schema.arguments
            needed = [str(a.type) for a in arguments if not a.has_default_value()]
            first = bool(arguments) and str(arguments[0].type) == 'Tensor'
            if first and set(needed) == {'Tensor'} and 'out' not in overload:
                yield name, func, len(needed)


def apply(func, inputs):
    torch.manual_seed(0)
    out = func(*[x.clone() for x in inputs])
    out = out[0] if isinstance(out, (tuple, list)) else out
    assert out.shape == inputs[0].shape and not out.is_complex()
    return out.float().nan_to_num()


def is_elementwise(func, count):
    """By numbers: it commutes with a permutation, and what one entry is
    shows in that entry only."""
    generator = torch.Generator().manual_seed(0)
    inputs = [torch.rand(2, 4, 3, generator=generator) - 0.4 for _ in range(count)]
    order = torch.randperm(24, generator=generator)
    shuffled = [x.flatten()[order].view(x.shape) for x in inputs]
    changed = [x.clone() for x in inputs]
    for x in changed:
        x[1, 2, 1] = 0.123
    try:
        out = apply(func, inputs)
        moved = apply(func, shuffled)
        differ = apply(func, changed) != out
    except Exception:  # not one for such numbers
        return False
    differ[1, 2, 1] = False
    return bool((moved.flatten() == out.flatten()[order]).all() and not differ.any())


@pytest.mark.filterwarnings('ignore')
def test_every_elementwise_operation_of_torch_is_known():
    found = [
        (name, func)
        for name, func, count in overloads()
        if name not in OTHER and is_elementwise(func, count)
    ]
    assert len(found) > 200
    unknown = [
        str(func)
        for name, func in found
        if not (is_pointwise(func) or name in MOVES or name in LIKE)
    ]
    assert unknown == []


@pytest.mark.filterwarnings('ignore')
def test_what_is_known_as_elementwise_is():
    """As far as one needs only tensors for it; random ones aside."""
    drawn = {'bernoulli', 'exponential', 'geometric', 'log_normal', 'normal'}
    drawn |= {'cauchy', 'random', 'uniform', 'randperm'}
    for name, func, count in overloads():
        plain = name.rstrip('_')
        if count == 1 and is_pointwise(func) and plain not in drawn:
            try:
                apply(func, [torch.rand(2, 4, 3)])
            except Exception:
                continue
            assert is_elementwise(func, count), str(func)


def conv(inputs, outputs):
    return nn.Conv2d(inputs, outputs, 3, padding=1)


class Net(nn.Module):
    def __init__(self, between, channels=8):
        super().__init__()
        self.a, self.between = conv(3, 8), between
        self.b, self.z = conv(channels, 6), conv(6, 3)

    def forward(self, x):
        return self.z(self.b(self.between(self.a(x))))


def units(between, **options):
    supernet = Supernet(Net(between, **options), (3, 8, 8))
    return {unit.name: unit.num_channels for unit in supernet.units}


def activations():
    """Every activation layer of torch that needs no argument, in place too
    where it can be."""
    for name in torch.nn.modules.activation.__all__:
        kind = getattr(nn, name)
        parameters = inspect.signature(kind).parameters
        if name in ('Softmax2d', 'MultiheadAttention'):
            continue
        given = {'threshold': 0.1, 'value': 0.0, 'dim': 1}
        options = {
            k: given[k]
            for k, p in parameters.items()
            if p.default in (inspect.Parameter.empty, None) and k in given
        }
        for inplace in (False, True) if 'inplace' in parameters else (None,):
            extra = {} if inplace is None else {'inplace': inplace}
            yield pytest.param(
                kind, {**options, **extra}, id=f'{name}-{inplace}'.lower()
            )


@pytest.mark.parametrize('kind, options', activations())
def test_an_activation_leaves_no_unit_whole(kind, options):
    if kind is nn.GLU:
        assert units(kind(dim=1), channels=4) == {'a': 4, 'b': 6}
    else:
        assert units(kind(**options)) == {'a': 8, 'b': 6}


class Call(nn.Module):
    def __init__(self, function):
        super().__init__()
        self.function = function

    def forward(self, x):
        return self.function(x)


def test_half_of_a_map_opens_the_other_half():
    """Along the rows: channels stay as they are."""
    assert units(Call(lambda x: nn.functional.glu(x, dim=2))) == {'a': 8, 'b': 6}


def test_global_pooling_of_a_channels_last_map():
    """torch reads its result in another order of memory."""
    pooled = Call(
        lambda x: nn.functional.adaptive_avg_pool2d(
            x.contiguous(memory_format=torch.channels_last), 1
        )
    )
    assert units(pooled) == {'a': 8, 'b': 6}


def test_the_same_memory_in_another_order_of_channels():
    """Rows and channels change places: no channel is one any more."""
    turned = Call(lambda x: x.contiguous().as_strided(x.shape, (512, 8, 64, 1)))
    assert 'a' not in units(turned)


def test_a_number_for_each_sample_is_no_buffer_of_channels():
    """A stochastic depth that takes type and device from the map."""
    drop = Call(lambda x: x * x.new_empty((len(x), 1, 1, 1)).fill_(0.5))
    assert units(drop) == {'a': 8, 'b': 6}


def test_pooling_over_channels_is_no_pooling_of_each():
    """As a last dimension, channels are what the window moves over."""
    over = Call(
        lambda x: (
            nn.functional.avg_pool1d(
                x.flatten(2).transpose(1, 2), 3, stride=1, padding=1
            )
            .transpose(1, 2)
            .unflatten(2, (8, 8))
        )
    )
    assert 'a' not in units(over)


def test_reasons_say_where():
    class Add(nn.Module):
        def __init__(self):
            super().__init__()
            self.position = nn.Parameter(torch.zeros(1, 8, 8, 8))

        def forward(self, x):
            return x + self.position

    supernet = Supernet(Net(Add()), (3, 8, 8))
    assert dict(supernet.unprunable)['a'] == (
        "its channels are joined with some that can't change (add in between, "
        'with between.position)'
    )


def test_channels_that_are_all_tied_say_by_what():
    turned = Call(lambda x: x + x.roll(1, 1))
    reason = dict(Supernet(Net(turned), (3, 8, 8)).unprunable)['a']
    assert reason == 'its channels are all tied to one another (add in between)'


def test_a_single_channel_is_called_one():
    net = nn.Sequential(conv(3, 1), conv(1, 6), conv(6, 3))
    supernet = Supernet(net, (3, 8, 8))
    assert dict(supernet.unprunable)['0'] == 'it has one channel'
