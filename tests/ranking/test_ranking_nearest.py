"""Widths within tolerance are found whenever there are some."""

import itertools
import math

from hypothesis import given
from hypothesis import strategies as st

from mmdmcp.ranking.nearest import nearest_widths, search_widths

GRIDS = st.lists(
    st.sets(st.integers(1, 20), min_size=1, max_size=5).map(sorted),
    min_size=1,
    max_size=4,
)


@given(
    grids=GRIDS,
    target=st.integers(1, 3000),
    tolerance=st.floats(0, 0.2),
    data=st.data(),
)
def test_the_nearest_of_all_is_found(grids, target, tolerance, data):
    """A small network is searched to the end: as good as listing them all."""

    def gap(widths):
        cost = sum(a * b for a, b in itertools.pairwise((3, *widths, 10)))
        return abs(cost / target - 1)

    start = [data.draw(st.sampled_from(grid)) for grid in grids]
    found = search_widths(start, grids, gap, tolerance)
    assert all(width in grid for width, grid in zip(found, grids))
    least = min(map(gap, itertools.product(*grids)))
    assert gap(found) == least if least > tolerance else gap(found) <= tolerance


def test_what_is_within_tolerance_stays():
    assert search_widths([3, 5], [[1, 3], [5, 9]], lambda w: 0.01, 0.01) == [3, 5]


def test_the_search_is_bounded():
    """No network is near: it gives up, with the nearest that it saw."""
    seen = []

    def gap(widths):
        seen.append(widths)
        return 1.0 + sum(widths)

    found = search_widths([50] * 9, [range(1, 101)] * 9, gap, 0.1, tries=500)
    assert len(seen) < 600
    assert gap(found) == min(map(gap, seen[:-1]))


@given(
    grids=GRIDS,
    target=st.integers(1, 3000),
    tolerance=st.floats(0, 0.2),
    data=st.data(),
)
def test_nearest_widths_are_nearest_of_those_within_tolerance(
    grids, target, tolerance, data
):
    def gap(widths):
        cost = sum(a * b for a, b in itertools.pairwise((3, *widths, 10)))
        return abs(cost / target - 1)

    def distance(widths):
        return sum(math.log(w / e) ** 2 for w, e in zip(widths, wanted))

    wanted = [data.draw(st.floats(0.5, 25)) for _ in grids]
    found = nearest_widths(wanted, grids, gap, tolerance)
    near = [n for n in itertools.product(*grids) if gap(n) <= tolerance]
    if not near:
        assert found is None
        return
    assert gap(found) <= tolerance
    assert math.isclose(distance(found), min(map(distance, near)), abs_tol=1e-12)


def test_nearest_widths_looks_at_so_many_networks_and_no_more():
    seen = []

    def gap(widths):
        seen.append(widths)
        return 1.0

    assert nearest_widths([5.2] * 9, [range(1, 11)] * 9, gap, 0.1, tries=500) is None
    assert len(seen) == len(set(seen)) == 500
    assert seen[0] == (5,) * 9
