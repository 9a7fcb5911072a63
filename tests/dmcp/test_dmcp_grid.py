"""The widths that units may take."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmdmcp.dmcp.grid import WidthGrid
from mmdmcp.errors import ConfigError
from mmdmcp.ranking.nearest import nearest


@pytest.mark.parametrize(
    'channels,step,least,num',
    [
        (64, 0.1, 10, 10),
        (16, 0.1, 7, 10),  # hard to prune
        (32, 0.1, 5, 10),
        (16, 0.05, 16, 1),  # can't be pruned at all
        (256, 0.1, 31, 10),
    ],
)
def test_release_grid_is_that_of_the_release(channels, step, least, num):
    widths = WidthGrid('release', step=step)(channels)
    assert widths[0] == least
    assert widths[-1] == channels
    assert len(widths) == num


def test_release_grid_of_a_wider_network():
    """MobileNetV2: (0.1, 1.5, 0.1) on a 1.5 times as wide network."""
    widths = WidthGrid('release', max_ratio=1.5)(144)
    assert len(widths) == 15
    assert {b - a for a, b in itertools.pairwise(widths)} == {9}


@given(
    channels=st.integers(1, 3000),
    min_ratio=st.floats(0.02, 0.9),
    step=st.floats(0.02, 0.1),
    divisor=st.sampled_from([1, 2, 4, 8, 16]),
)
def test_even_grid(channels, min_ratio, step, divisor):
    widths = WidthGrid('even', min_ratio=min_ratio, step=step, divisor=divisor)(
        channels
    )
    assert widths[-1] == channels
    assert all(a < b for a, b in itertools.pairwise(widths))
    assert all(w % divisor == 0 for w in widths[:-1])
    # Every unit reaches its minimum, up to rounding to the divisor.
    assert widths[0] <= max(
        divisor,
        min_ratio * channels + divisor / 2 + 1e-6,
        channels if channels <= divisor else 0,
    )


def test_even_grid_of_narrow_units_has_no_hole():
    assert WidthGrid()(16)[0] == 2
    assert WidthGrid(step=0.05)(16)[0] == 2
    assert WidthGrid()(4) == (1, 2, 3, 4)


@pytest.mark.parametrize('channels', [64, 100, 333])
@pytest.mark.parametrize('divisor', [1, 2, 4])
def test_even_grid_steps_differ_by_at_most_one_divisor(channels, divisor):
    *widths, _ = WidthGrid(divisor=divisor)(channels)
    steps = {b - a for a, b in itertools.pairwise(widths)}
    assert max(steps) - min(steps) <= divisor


@pytest.mark.parametrize(
    'channels,divisor',
    [
        (4, 1),
        (16, 1),
        (32, 1),
        (64, 2),
        (128, 4),
        (256, 8),
        (512, 16),
        (2048, 16),
    ],
)
def test_automatic_divisor_stays_within_a_quarter_of_a_step(channels, divisor):
    widths = WidthGrid()(channels)
    assert widths == WidthGrid(divisor=divisor)(channels)
    exact = [channels * tenth / 10 for tenth in range(1, 11)]
    if len(widths) == len(exact):  # 4 channels have 4 widths only
        assert all(
            abs(a - b) <= max(0.5, 0.1 * channels / 4) for a, b in zip(widths, exact)
        )


@pytest.mark.parametrize(
    'options',
    [
        dict(type='odd'),
        dict(min_ratio=0),
        dict(min_ratio=1.2),
        dict(step=0),
        dict(step=2),
        dict(divisor=0),
        dict(divisor=1.5),
        dict(divisor=True),
        dict(divisor='8'),
        dict(min_ratio=0.5, step=0.6),
        dict(type='release', divisor=8),
    ],
)
def test_bad_options_are_named(options):
    with pytest.raises(ConfigError, match=list(options)[-1]):
        WidthGrid(**options)


@given(
    channels=st.integers(1, 500),
    share=st.floats(0, 1),
    divisor=st.sampled_from([1, 3, 8]),
)
def test_rounding_keeps_to_the_divisor(channels, share, divisor):
    steps = WidthGrid(divisor=divisor).steps(channels)
    least = WidthGrid(divisor=divisor)(channels)[0]
    expected = least + share * (channels - least)
    width = nearest(expected, steps)
    allowed = [
        w for w in range(least, channels + 1) if w % divisor == 0 or w == channels
    ]
    assert list(steps) == allowed
    assert abs(width - expected) == min(abs(w - expected) for w in allowed)


@pytest.mark.parametrize(
    'options',
    [dict(step=1e-12), dict(step=5e-324), dict(max_ratio=1e300), dict(max_ratio=2**63)],
)
def test_a_step_below_a_channel_takes_every_width(options):
    """At once, however many steps it is."""
    for channels in (1, 7, 64, 2048):
        least = 1 if 'max_ratio' in options else max(1, round(0.1 * channels))
        assert WidthGrid(**options)(channels) == tuple(range(least, channels + 1))
        WidthGrid('release', **options)(channels)


@given(channels=st.integers(1, 200), divisor=st.integers(1, 40))
def test_small_steps_and_every_width_are_the_same(channels, divisor):
    """Where the borders are not laid one by one any more."""
    laid = WidthGrid(step=0.9 / (4 * channels + 0.5), divisor=divisor)
    every = WidthGrid(step=0.9 / (4 * channels + 1.5), divisor=divisor)
    assert laid._steps < 4 * channels + 1 < every._steps
    assert laid(channels) == every(channels)


def test_a_step_may_be_all_that_is_between():
    assert WidthGrid(min_ratio=0.5, step=0.5)(64) == (32, 64)


@given(
    widths=st.sets(st.integers(1, 300), min_size=1, max_size=12).map(sorted),
    expected=st.floats(0, 310),
)
def test_rounding_keeps_to_any_grid(widths, expected):
    found = nearest(expected, widths)
    assert found in widths
    distances = [abs(w - expected) for w in widths]
    assert abs(found - expected) == min(distances)
    assert found == max(w for w, d in zip(widths, distances) if d == min(distances))


@given(
    channels=st.integers(1, 400),
    min_ratio=st.floats(0.02, 0.9),
    step=st.floats(0.02, 0.1),
    max_ratio=st.sampled_from([1.0, 1.5]),
    divisor=st.sampled_from([1, 4, 16]),
)
def test_even_grid_is_the_rounded_positions(
    channels, min_ratio, step, max_ratio, divisor
):
    """Each border is the multiple of the divisor that is nearest to its place."""
    grid = WidthGrid('even', min_ratio, max_ratio, step, divisor)
    exact, ratio = [], min_ratio
    while ratio < max_ratio + 1e-4 * step:
        exact.append(channels * ratio / max_ratio)
        ratio += step
    widths = grid(channels)
    multiples = range(divisor, channels + divisor, divisor)
    for width in widths[:-1]:
        assert any(abs(width - at) <= divisor / 2 + 1e-6 for at in exact) or (
            width == divisor
        )
    for at in exact:
        near = min(multiples, key=lambda w: abs(w - at))
        if abs(abs(near - at) - divisor / 2) > 1e-6:  # no tie
            assert min(near, channels) in widths
