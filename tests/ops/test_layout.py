"""A layout is a list of entries, said briefly: compare with the list."""

import itertools

import pytest
import torch

from mmdmcp.ops import Layout, Segment

# Two units (4 and 3 channels), a concatenation with something fixed, a
# flatten of 2 x 2 and a unit that comes twice.
LAYOUT = Layout(
    [
        Segment(0, 4, unit=0),
        Segment(4, 6),
        Segment(6, 18, unit=1, expand=4),
        Segment(18, 22, unit=0),
    ]
)
CHANNELS = (4, 3)


def brute_force(kept):
    """Kept entries, found entry by entry."""
    owner = [(0, c) for c in range(4)] + [None] * 2
    owner += [(1, c) for c in range(3) for _ in range(4)]
    owner += [(0, c) for c in range(4)]
    return tuple(
        i for i, own in enumerate(owner) if own is None or own[1] in kept[own[0]]
    )


def subsets(channels):
    return (
        kept
        for size in range(1, channels + 1)
        for kept in itertools.combinations(range(channels), size)
    )


def test_prefixes_keep_the_first_entries_of_every_segment():
    for widths in itertools.product(range(1, 5), range(1, 4)):
        expected = brute_force([range(w) for w in widths])
        assert LAYOUT.indices(widths) == expected
        assert LAYOUT.count(widths) == len(expected)


def test_index_lists_keep_exactly_their_entries():
    for kept in itertools.product(*map(subsets, CHANNELS)):
        assert LAYOUT.indices(kept) == brute_force(kept)


def test_ranges_are_ascending_apart_and_merged():
    for kept in itertools.product(*map(subsets, CHANNELS)):
        ranges = LAYOUT.ranges(kept)
        assert all(a < b for a, b in ranges)
        assert all(p[1] < n[0] for p, n in itertools.pairwise(ranges))


def test_the_count_is_linear_in_the_widths():
    coefficients, constant = LAYOUT.linear(2)
    for widths in itertools.product(range(1, 5), range(1, 4)):
        linear = coefficients @ torch.tensor(widths).double() + constant
        assert linear == LAYOUT.count(widths)


def test_values_are_spread_as_channels_are():
    values = [torch.arange(4.0), torch.arange(10.0, 13.0)]
    spread = LAYOUT.spread(values)
    assert spread.tolist() == [
        0,
        1,
        2,
        3,
        1,
        1,
        10,
        10,
        10,
        10,
        11,
        11,
        11,
        11,
        12,
        12,
        12,
        12,
        0,
        1,
        2,
        3,
    ]


def test_a_fixed_dimension_belongs_to_no_unit():
    fixed = Layout.fixed(7)
    assert fixed.units == () and fixed.count([]) == 7
    assert LAYOUT.units == (0, 1) and LAYOUT.size == 22


@pytest.mark.parametrize('other', [Layout.fixed(22), 'layout'])
def test_layouts_are_equal_by_their_segments(other):
    same = Layout(list(LAYOUT.segments))
    assert same == LAYOUT and hash(same) == hash(LAYOUT)
    assert other != LAYOUT
