"""Networks at random: exact, or refused.

``MMDMCP_FUZZ=1000 python -m pytest tests/fuzz`` draws as many; a failure
names its seed, and ``MMDMCP_FUZZ_SEED=<seed> MMDMCP_FUZZ=1`` draws that
network alone.
"""

import copy
import os

import pytest
import torch
from fuzz.networks import SHAPE, network
from torch import nn
from torch.utils._pytree import tree_leaves
from torch.utils.flop_counter import FlopCounterMode

from mmdmcp.errors import MmdmcpError
from mmdmcp.modes import slow_attention
from mmdmcp.subnet import apply
from mmdmcp.supernet import Supernet

COUNT = int(os.environ.get('MMDMCP_FUZZ', 6))
SEED = int(os.environ.get('MMDMCP_FUZZ_SEED', 0))
#: Accepted distance in float64, compared with the largest number.
EQUAL = 1e-9


def build(model, any_channels):
    """Its supernet; None if the network is refused, as it may be."""
    try:
        return Supernet(model, SHAPE, any_channels=any_channels)
    except MmdmcpError as error:
        assert len(str(error)) > 20
        return None


@torch.no_grad()
def as_if_trained(model, seed):
    """In double precision, with weights and statistics of any size."""
    torch.manual_seed(seed)
    for module in model.modules():
        if isinstance(module, nn.modules.batchnorm._NormBase):
            for name, buffer in module._buffers.items():
                if buffer is not None and buffer.is_floating_point():
                    buffer.uniform_(0.5, 2.0) if 'var' in name else buffer.normal_()
    for parameter in model.parameters():
        if parameter.numel() == max(parameter.shape, default=1):
            parameter.add_(torch.randn_like(parameter))
    return model.double()


def outputs(model, x):
    torch.manual_seed(7)  # dropout
    return [y for y in tree_leaves(model(x)) if isinstance(y, torch.Tensor)]


def assert_equal(found, expected, what):
    assert len(found) == len(expected), what
    for a, b in zip(found, expected):
        assert a.shape == b.shape, what
        if not b.isfinite().all():
            continue  # too large for what the network computes
        size = max(1.0, float(b.abs().max()) if b.numel() else 0.0)
        assert float((a - b).abs().max()) <= EQUAL * size, what


def draw(supernet, generator):
    return [
        int(torch.randint(1, c + 1, (), generator=generator)) for c in supernet.full
    ]


def cut(supernet, selections):
    subnet = supernet.subnet(selections, 'dmcp')
    return apply(supernet.plain_copy(), subnet), subnet


def gradients(model, x):
    model.zero_grad()
    total = sum((y * y.detach().cos()).sum() for y in outputs(model, x))
    total.backward()
    return {
        name: torch.zeros_like(p) if p.grad is None else p.grad
        for name, p in model.named_parameters()
    }


def narrow(supernet, x):
    """Cost, outputs and gradients at random widths are the rebuilt net's."""
    generator = torch.Generator().manual_seed(1)
    model = supernet.model
    for _ in range(2):
        widths = draw(supernet, generator)
        small, subnet = cut(supernet, widths)
        supernet.select(widths)
        with torch.no_grad(), slow_attention():
            with FlopCounterMode(display=False) as counter:
                small.eval()(x[:1])
            assert counter.get_total_flops() // 2 == subnet.cost['macs']
            params = sum(p.numel() for p in small.parameters())
            assert params == subnet.cost['params']
            model.eval()
            assert_equal(outputs(model, x), outputs(small, x), 'sliced == rebuilt')
        model.train(), small.train()
        full = gradients(model, x)
        grads = copy.deepcopy(supernet.plain_copy())
        with torch.no_grad():
            for name, parameter in grads.named_parameters():
                parameter.copy_(full[name])
        expected = gradients(small, x)
        found = dict(apply(grads, subnet).named_parameters())
        assert_equal(
            [found[name] for name in expected], list(expected.values()), 'gradients'
        )
        supernet.select(supernet.full)


@torch.no_grad()
def gated(supernet):
    """With closed gates the network is the small one, on many inputs."""
    generator = torch.Generator().manual_seed(2)
    model = supernet.model.eval()
    for _ in range(2):
        kept, masks = [], []
        for size, width in zip(supernet.full, draw(supernet, generator)):
            order = torch.randperm(size, generator=generator)[:width]
            kept.append(tuple(sorted(order.tolist())))
            masks.append(torch.zeros(size).double().index_fill(0, order, 1.0))
        small = cut(supernet, kept)[0].eval()
        for factor in (0.0, -1.0, 1.0, 30.0):
            x = factor * torch.randn(2, *SHAPE, generator=generator).double()
            supernet.scale(masks, open_only=True)
            found = outputs(model, x)
            supernet.scale(None)
            assert_equal(found, outputs(small, x), 'gated == cut')


def check(seed):
    """All facts about one network, or that it is refused."""
    x = torch.randn(2, *SHAPE, generator=torch.Generator().manual_seed(seed)).double()
    try:
        gradients(network(seed).double().train(), x)
        gradients(network(seed).double().eval(), x)
    except Exception:
        return 'broken'  # drawn so that it never ran, or could not be trained
    accepted = 'refused'
    for any_channels in (False, True):
        supernet = build(network(seed), any_channels)
        if supernet is None:
            continue
        accepted = 'pruned'
        as_if_trained(supernet.model, seed)
        if any_channels:
            gated(supernet)
        else:
            narrow(supernet, x)
    return accepted


@pytest.mark.filterwarnings('ignore')
@pytest.mark.timeout(0)
def test_random_networks_are_exact_or_refused():
    found = []
    for seed in range(SEED, SEED + COUNT):
        try:
            found.append(check(seed))
        except BaseException:
            print(f'MMDMCP_FUZZ_SEED={seed} MMDMCP_FUZZ=1: {network(seed)}')
            raise
    # Most of them are networks, and most of those can be pruned.
    if COUNT >= 10:
        assert found.count('pruned') > COUNT / 2 > 2 * found.count('broken')


def test_what_is_wrong_is_seen():
    """A network that gates can't prune, and a cost that is off by one."""
    net = nn.Sequential(nn.Conv2d(3, 8, 3), nn.Sigmoid(), nn.Conv2d(8, 3, 3))
    supernet = Supernet(net, SHAPE)
    as_if_trained(supernet.model, 0)
    narrow(supernet, torch.randn(2, *SHAPE).double())
    with pytest.raises(AssertionError, match='gated == cut'):
        gated(supernet)
    supernet.cost.other_macs += 1
    with pytest.raises(AssertionError):
        narrow(supernet, torch.randn(2, *SHAPE).double())
