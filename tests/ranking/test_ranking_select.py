"""Which gates are open, which channels stay, and how the target is met."""

import itertools

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from mmdmcp.ranking.select import (
    choose_channels,
    choose_open,
    open_mask,
    width_steps,
)


def padded(*rows):
    width = max(map(len, rows))
    gates = torch.full((len(rows), width), 99.0)  # padding must not matter
    valid = torch.zeros(len(rows), width, dtype=torch.bool)
    for i, row in enumerate(rows):
        gates[i, : len(row)] = torch.tensor(row)
        valid[i, : len(row)] = True
    return gates, valid


def test_open_are_those_above_zero():
    mask = open_mask(*padded([0.1, -0.1, 0.0], [-1.0, 2.0]))
    assert mask.tolist() == [[True, False, False], [False, True, False]]


def test_a_unit_keeps_its_largest_gate():
    mask = open_mask(*padded([-3.0, -0.5, -2.0], [-1.0, -0.1]))
    assert mask.tolist() == [[False, True, False], [False, True, False]]


def test_gates_that_are_all_alike_keep_one():
    assert open_mask(*padded([0.0, 0.0, 0.0])).sum() == 1


def cost(widths):
    """Two layers, one after the other: 3 -> a -> b -> 10."""
    a, b = widths.tolist()
    return 3.0 * a + a * b + 10 * b


@pytest.mark.parametrize('seed', range(5))
@pytest.mark.parametrize('share', [0.1, 0.3, 0.5, 0.9])
def test_the_target_is_met(seed, share):
    generator = torch.Generator().manual_seed(seed)
    gates, valid = padded(
        torch.randn(64, generator=generator).tolist(),
        torch.randn(96, generator=generator).tolist(),
    )
    target = share * cost(valid.sum(1))
    mask, threshold = choose_open(gates, valid, cost, target, 0.01)
    assert not (mask & ~valid).any() and mask.any(1).all()
    assert abs(cost(mask.sum(1)) - target) <= 0.01 * target
    # What was chosen against the threshold lies next to it.
    wrong = (mask != (gates > threshold)) & valid
    if wrong.any():
        near = (gates - threshold).abs()
        assert near[wrong].max() < near[valid].quantile(0.5)


def test_larger_gates_stay():
    """Within a unit the kept gates are the largest."""
    gates, valid = padded(
        [5.0, 1.0, 4.0, 2.0, 3.0, 0.0], [1.0, 6.0, 2.0, 5.0, 3.0, 4.0]
    )
    mask, _ = choose_open(gates, valid, cost, 60.0, 0.01)
    for row, kept in zip(gates, mask):
        if not kept.all():
            assert row[kept].min() > row[~kept].max()


def steep(widths):
    """A channel of the first unit costs as much as a hundred others."""
    return 100.0 * widths[0].item() + widths[1].item()


def test_single_gates_close_a_gap_that_no_threshold_closes():
    """All gates of the second unit are equal: all or one."""
    gates, valid = padded([1.0, 2.0, 3.0, 4.0], [2.5] * 40)
    mask, _ = choose_open(gates, valid, steep, 225.0, 0.01)
    assert abs(steep(mask.sum(1)) - 225) <= 2.25
    assert mask[0, :4].tolist() == [False, False, True, True]


def test_two_gates_close_a_gap_that_no_single_one_closes():
    """5 a + 4 b: from 27 to 28 by one a more and one b less."""
    gates, valid = padded([3.0, 2.0, 1.0, -1.0, -2.0], [3.0, 2.0, 1.0, -3.0, -4.0])

    def coarse(widths):
        return 5.0 * widths[0].item() + 4.0 * widths[1].item()

    mask, _ = choose_open(gates, valid, coarse, 28.0, 0.01)
    assert mask.sum(1).tolist() == [4, 2]


def test_without_a_way_to_the_target_the_nearest_is_taken():
    gates, valid = padded([1.0, 2.0, 3.0])
    mask, _ = choose_open(gates, valid, lambda w: 100.0 * w.item(), 120.0, 0.01)
    assert mask.tolist() == [[False, False, True]]


def keep(scores, target, **options):
    scores = [torch.tensor(row).double() for row in scores]
    return choose_channels(scores, cost, target, 0.01, **options)


@given(
    rows=st.lists(
        st.lists(st.floats(-3, 3), min_size=1, max_size=4), min_size=2, max_size=2
    ),
    target=st.floats(0.5, 120.0),
    tolerance=st.sampled_from([0.0, 0.01, 0.1]),
)
def test_whatever_the_gates_and_the_target(rows, target, tolerance):
    """No unit loses its last channel, and the target is met if any numbers of
    channels meet it; otherwise the nearest are taken."""
    gates, valid = padded(*rows)
    mask, _ = choose_open(gates, valid, cost, target, tolerance)
    counts = mask.sum(1).tolist()
    assert min(counts) >= 1 and not (mask & ~valid).any()
    networks = itertools.product(*(range(1, len(row) + 1) for row in rows))
    gaps = [abs(cost(torch.tensor(n)) - target) for n in networks]
    gap = abs(cost(mask.sum(1)) - target)
    assert gap <= max(min(gaps), tolerance * target)


@pytest.mark.parametrize('seed', range(10))
def test_channels_go_least_important_first(seed):
    """As if every network that can be got so had been listed."""
    generator = torch.Generator().manual_seed(seed)
    scores = [torch.rand(n, generator=generator).tolist() for n in (4, 5)]
    target = 0.55 * cost(torch.tensor([4, 5]))
    order = sorted((value, row) for row in (0, 1) for value in scores[row])
    widths, listed = [4, 5], [[4, 5]]
    for _, row in order:
        if widths[row] > 1:  # the last channel of a unit stays
            widths[row] -= 1
            listed.append(list(widths))
    gaps = [abs(cost(torch.tensor(w)) - target) for w in listed]
    kept = choose_channels(
        [torch.tensor(row) for row in scores], cost, target, tolerance=1.0
    )
    assert list(map(len, kept)) == listed[gaps.index(min(gaps))]
    for row, channels in zip(scores, kept):
        largest = sorted(range(len(row)), key=lambda i: -row[i])[: len(channels)]
        assert channels == tuple(sorted(largest))


@pytest.mark.parametrize('divisor', [1, 4, 8])
@pytest.mark.parametrize('min_ratio', [0.0, 0.3])
def test_widths_are_multiples_and_not_below_the_least(min_ratio, divisor):
    generator = torch.Generator().manual_seed(0)
    scores = [torch.rand(64, generator=generator), torch.rand(92, generator=generator)]
    target = 0.4 * cost(torch.tensor([64, 92]))
    kept = choose_channels(
        scores, cost, target, 0.05, min_ratio=min_ratio, divisor=divisor
    )
    for row, channels in zip(scores, kept):
        assert len(channels) in width_steps(len(row), min_ratio, divisor)
        assert len(channels) >= min_ratio * len(row)
    assert abs(cost(torch.tensor(list(map(len, kept)))) - target) <= 0.05 * target


def test_channels_that_are_gone_stay_gone():
    scores = [[9.0, 1.0, 8.0, 7.0], [6.0, 5.0, 9.0, 8.0, 7.0]]
    kept = keep(scores, 30.0, kept=[(1, 2, 3), (0, 1, 4)])
    assert set(kept[0]) <= {1, 2, 3} and set(kept[1]) <= {0, 1, 4}
    assert kept == [(2, 3), (0, 4)]


def test_steps_of_widths():
    assert width_steps(5) == [1, 2, 3, 4, 5]
    assert width_steps(10, 0.3) == list(range(3, 11))
    assert width_steps(20, 0.25, 8) == [8, 16, 20]
    assert width_steps(4, 0.1, 8) == [4]
