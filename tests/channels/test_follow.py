"""Which channels are the same channel, on networks one can check by eye."""

import pytest
import torch
from torch import nn

from mmdmcp.errors import TraceError
from mmdmcp.supernet import Supernet


class Net(nn.Module):
    """Runs a function of its layers."""

    def __init__(self, forward, **layers):
        super().__init__()
        for name, layer in layers.items():
            setattr(self, name, layer)
        self._function = forward

    def forward(self, x):
        return self._function(self, x)


def conv(i, o, **options):
    return nn.Conv2d(i, o, 3, padding=1, **options)


def end(channels):
    """A layer whose outputs are the model's."""
    return nn.Conv2d(channels, 3, 1)


def units(model, shape=(3, 8, 8)):
    """Units by name; checks that narrow networks run."""
    supernet = Supernet(model, shape)
    for widths in ([1] * len(supernet.units), supernet.full):
        supernet.select(widths)
        assert model(torch.zeros(2, *shape)).shape[1] == 3
    return {u.name: u.num_channels for u in supernet.units}, supernet


def layouts(supernet, name):
    layer = {x.name: x for x in supernet.layers}[name]
    return [
        [(s.start, s.stop, s.unit, s.expand) for s in side.segments]
        for side in (layer.in_layout, layer.out_layout)
    ]


def test_a_sum_ties_and_the_first_layer_names_the_unit():
    found, _ = units(
        Net(
            lambda n, x: n.z(n.b(n.a(x)) + n.a(x)), b=conv(6, 6), a=conv(3, 6), z=end(6)
        )
    )
    assert found == {'b': 6}


def test_a_concatenation_does_not_tie():
    found, net = units(
        Net(
            lambda n, x: n.z(torch.cat([n.a(x), x, n.b(x)], 1)),
            a=conv(3, 4),
            b=conv(3, 5),
            z=end(12),
        )
    )
    assert found == {'a': 4, 'b': 5}
    assert layouts(net, 'z')[0] == [(0, 4, 0, 1), (4, 7, None, 1), (7, 12, 1, 1)]


def test_a_flatten_gives_every_channel_its_pixels():
    found, net = units(
        Net(
            lambda n, x: n.z(n.a(x).flatten(1))[..., None, None],
            a=conv(3, 4),
            z=nn.Linear(4 * 64, 3),
        )
    )
    assert found == {'a': 4}
    assert layouts(net, 'z')[0] == [(0, 256, 0, 64)]


def test_channels_last_and_layer_scale():

    def forward(n, x):
        y = n.a(x).permute(0, 2, 3, 1)
        return n.z((n.gamma * n.fc(n.norm(y)) + y).permute(0, 3, 1, 2))

    net = Net(
        forward,
        a=conv(3, 4),
        norm=nn.LayerNorm(4),
        fc=nn.Linear(4, 4),
        z=end(4),
        gamma=nn.Parameter(torch.ones(4)),
    )
    found, supernet = units(net)
    assert found == {'a': 4}
    rows = supernet.subnet([2], 'dmcp').layers
    assert rows['gamma'].out == 2 and rows['norm'].out == 2


def test_halves_of_a_layer_keep_as_many_channels_each():

    def forward(n, x):
        a, b = n.a(x).chunk(2, dim=1)
        return n.z(torch.cat([n.b(a), b], 1))

    found, net = units(Net(forward, a=conv(3, 8), b=conv(4, 5), z=end(9)))
    assert found == {'a': 4, 'b': 5}
    assert layouts(net, 'a')[1] == [(0, 4, 0, 1), (4, 8, 0, 1)]


def test_fixed_places_in_the_code_are_left_whole():

    def forward(n, x):
        y = n.a(x)
        return n.z(torch.cat([n.b(y[:, :3]), y[:, 3:]], 1))

    found, net = units(Net(forward, a=conv(3, 8), b=conv(3, 5), z=end(10)))
    assert found == {'b': 5}
    assert ('a', 'the code cuts its channels at fixed places') in net.unprunable


def test_shuffled_branches_keep_as_many_channels_each():

    def forward(n, x):
        y = torch.cat([n.a(x), n.b(x)], 1)
        b, c, h, w = y.shape
        y = y.view(b, 2, c // 2, h, w).transpose(1, 2).reshape(b, c, h, w)
        left, right = y.chunk(2, dim=1)
        return n.z(left + n.c(right))

    found, _ = units(Net(forward, a=conv(3, 6), b=conv(3, 6), c=conv(6, 6), z=end(6)))
    assert found == {'a': 6}


def test_groups_keep_as_many_channels_each():
    found, net = units(
        Net(
            lambda n, x: n.z(n.b(n.a(x))),
            a=conv(3, 8),
            b=conv(8, 12, groups=4),
            z=end(12),
        )
    )
    assert found == {'a': 2, 'b': 3}
    assert [s[:2] for s in layouts(net, 'b')[0]] == [(0, 2), (2, 4), (4, 6), (6, 8)]


def test_depthwise_and_norms_pass_channels_on():
    found, net = units(
        Net(
            lambda n, x: n.z(n.norm(n.dw(n.a(x)))),
            dw=conv(6, 6, groups=6),
            norm=nn.BatchNorm2d(6),
            a=conv(3, 6),
            z=end(6),
        )
    )
    assert found == {'a': 6}
    assert {x.name for x in net.layers} == {'a', 'dw', 'norm', 'z'}


def test_slopes_of_a_prelu_are_channels():
    found, net = units(
        Net(lambda n, x: n.z(n.act(n.a(x))), a=conv(3, 6), act=nn.PReLU(6), z=end(6))
    )
    assert found == {'a': 6}
    assert net.subnet([2], 'dmcp').layers['act'].out == 2


def test_one_slope_for_all_ties_nothing():
    found, net = units(
        Net(
            lambda n, x: n.z(n.act(n.b(n.act(n.a(x))))),
            a=conv(3, 6),
            b=conv(6, 5),
            act=nn.PReLU(),
            z=end(5),
        )
    )
    assert found == {'a': 6, 'b': 5}
    assert 'act' not in net.subnet([2, 2], 'dmcp').layers


def test_a_gate_of_one_channel_ties_nothing():
    found, _ = units(
        Net(
            lambda n, x: n.z(n.a(x) * n.g(x).sigmoid()),
            a=conv(3, 6),
            g=conv(3, 1),
            z=end(6),
        )
    )
    assert found == {'a': 6}


def test_zeros_of_the_same_shape_have_the_same_channels():
    found, _ = units(
        Net(
            lambda n, x: n.z(n.a(x) + torch.zeros_like(n.b(x))),
            a=conv(3, 6),
            b=conv(3, 6),
            z=end(6),
        )
    )
    assert found == {'a': 6}


def test_a_buffer_that_is_written_to_has_the_channels():

    def forward(n, x):
        y = n.a(x)
        buffer = torch.zeros_like(y)
        buffer.add_(y)
        return n.z(buffer)

    found, _ = units(Net(forward, a=conv(3, 6), z=end(6)))
    assert found == {'a': 6}


def test_a_buffer_whose_size_the_code_says_is_left_whole():

    def forward(n, x):
        y = n.a(x)
        buffer = y.new_zeros(1, 6, 8, 8)
        buffer.add_(y)
        return n.z(n.b(buffer))

    net = Net(forward, a=conv(3, 6), b=conv(6, 5), z=end(5))
    supernet = Supernet(net, (3, 8, 8))
    assert [u.name for u in supernet.units] == ['b']
    assert 'buffer' in dict(supernet.unprunable)['a']


def test_a_layer_that_runs_twice_has_one_layout():
    found, _ = units(
        Net(lambda n, x: n.z(n.b(n.b(n.a(x)))), a=conv(3, 6), b=conv(6, 6), z=end(6))
    )
    assert found == {'a': 6}


def test_weights_used_outside_the_layer_are_left_whole():

    def forward(n, x):
        y = n.a(x)
        y = n.b(y) + nn.functional.conv2d(y, n.b.weight, padding=1)
        return n.z(n.c(y))

    found, _ = units(Net(forward, a=conv(3, 6), b=conv(6, 6), c=conv(6, 4), z=end(4)))
    assert found == {'c': 4}


def test_attention_is_left_whole_and_the_rest_is_not():

    def forward(n, x):
        y = n.a(x).flatten(2).transpose(1, 2)
        q, k, v = n.qkv(n.norm(y)).chunk(3, dim=-1)
        y = (q @ k.transpose(1, 2)).softmax(-1) @ v
        return n.z(n.fc(y).transpose(1, 2).unflatten(2, (8, 8)))

    found, net = units(
        Net(
            forward,
            a=conv(3, 4),
            norm=nn.LayerNorm(4),
            qkv=nn.Linear(4, 12),
            fc=nn.Linear(4, 5),
            z=end(5),
        )
    )
    assert found == {'a': 4, 'fc': 5}
    reasons = dict(net.unprunable)
    assert 'bmm' in reasons['qkv']


def test_a_model_without_units_is_refused_by_name():
    with pytest.raises(TraceError, match="Net has no unit.*model's output"):
        Supernet(Net(lambda n, x: n.z(x), z=end(3)), (3, 8, 8))


def test_a_wrong_input_shape_is_named():
    model = Net(lambda n, x: n.z(n.a(x)), a=conv(3, 4), z=end(4))
    with pytest.raises(TraceError, match=r'\(5, 8, 8\).*input_shape'):
        Supernet(model, (5, 8, 8))


def test_tracing_leaves_no_trace():
    model = Net(
        lambda n, x: n.z(n.norm(n.a(x))), a=conv(3, 4), norm=nn.BatchNorm2d(4), z=end(4)
    )
    before = {k: v.clone() for k, v in model.state_dict().items()}
    state = torch.random.get_rng_state()
    supernet = Supernet(model, (3, 8, 8))
    assert torch.equal(state, torch.random.get_rng_state())
    assert all(m.training for m in model.modules())
    assert all(p.grad is None for p in model.parameters())
    for key, value in model.state_dict().items():
        assert torch.equal(value, before[key])
    copy = supernet.plain_copy()
    assert not any('forward' in vars(m) for m in copy.modules())


def test_two_units_of_one_first_layer_have_two_names():

    def forward(n, x):
        return n.z(n.d(n.e(x) + torch.cat([n.a(x), n.b(x)], 1)))

    found, net = units(
        Net(
            forward,
            e=conv(3, 16),
            a=conv(3, 8),
            b=conv(3, 8),
            d=conv(16, 20),
            z=end(20),
        )
    )
    assert found == {'a': 8, 'b': 8, 'd': 20}
    subnet = net.subnet([2, 5, 7], 'dmcp')
    assert [u.channels for u in subnet.units.values()] == [2, 5, 7]
    assert subnet.layers['e'].out == 7
    assert subnet.layers['e'].out_kept == (0, 1, 8, 9, 10, 11, 12)


def test_units_whose_layers_all_overlap_have_names_too():

    def forward(n, x):
        return n.z(torch.cat([n.a(x), n.b(x)], 1) + torch.cat([n.c(x), n.d(x)], 1))

    found, net = units(
        Net(forward, b=conv(3, 8), a=conv(3, 4), d=conv(3, 4), c=conv(3, 8), z=end(12))
    )
    assert found == {'b': 4, 'd': 4, 'a': 4}
    layers = net.subnet([1, 2, 3], 'dmcp').layers
    assert [layers[n].out for n in 'abcd'] == [3, 3, 4, 2]
