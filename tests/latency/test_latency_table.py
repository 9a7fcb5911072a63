"""Between measured points, latency is bilinear in inputs and outputs."""

import numpy as np
import torch

from mmdmcp.latency import BlockTimes, LatencyTable, Rest
from mmdmcp.ops import Layout, Segment

A, B = Layout([Segment(0, 12, unit=0)]), Layout([Segment(0, 8, unit=1)])
INS, OUTS = (2, 5, 12), (1, 8)
NS = ((1000, 2000), (1700, 5000), (6100, 9000))
STEM = BlockTimes('stem', ('stem',), 9, (3,), INS, ((400, 900, 1500),), 3, 0.01)
CONV = BlockTimes('conv', ('conv',), 9, INS, OUTS, NS, 3, 0.01)


def table():
    layers = [(Layout.fixed(3), A, STEM), (A, B, CONV)]
    return LatencyTable(layers, 2, Rest(1.25, 500, 0.01))


def by_numpy(a, b):
    """One axis after the other."""
    stem = np.interp(a, INS, STEM.ns[0])
    columns = [np.interp(a, INS, [row[j] for row in NS]) for j in range(2)]
    return (1.25 * (stem + np.interp(b, OUTS, columns)) + 500) / 1e3


def test_any_widths_are_interpolated():
    generator = np.random.default_rng(0)
    widths = np.stack([generator.uniform(2, 12, 50), generator.uniform(1, 8, 50)], 1)
    found = table()(torch.tensor(widths))
    assert found.dtype == torch.float64
    np.testing.assert_allclose(found, [by_numpy(*row) for row in widths], rtol=1e-12)


def test_what_was_measured_is_exact():
    for i, a in enumerate(INS):
        for j, b in enumerate(OUTS):
            stem, conv = table().layers(torch.tensor([a, b])).tolist()
            assert (stem, conv) == (STEM.ns[0][i], NS[i][j])


def test_it_is_differentiable_in_the_widths():
    widths = torch.tensor([[3.5, 2.5], [9.0, 6.0]], dtype=torch.float64)
    assert torch.autograd.gradcheck(table(), widths.requires_grad_())


def test_wider_than_the_full_network_costs_no_more():
    widest = table()(torch.tensor([12, 8]))
    assert torch.equal(table()(torch.tensor([15, 9])), widest)
    assert table()(torch.tensor([0, 0])) < table()(torch.tensor([2, 1]))
