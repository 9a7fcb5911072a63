"""Targets as users write them."""

from fractions import Fraction

import pytest

from mmdmcp.cost import find_measure
from mmdmcp.errors import TargetError

FULL = 4_089_184_256


@pytest.mark.parametrize(
    'target, macs',
    [
        ('2.2G', 2_200_000_000),
        ('211M', 211_000_000),
        ('211m', 211_000_000),
        (' 50 % ', FULL // 2),
        ('1e9', 1_000_000_000),
        ('2.5e3K', 2_500_000),
        (2.2e9, 2_200_000_000),
        (2_200_000_000, 2_200_000_000),
        (FULL - 1, FULL - 1),
    ],
)
def test_every_form_means_multiply_accumulates(target, macs):
    assert find_measure('flops').parse(target, FULL) == macs


@pytest.mark.parametrize(
    'target',
    [
        '',
        'half',
        '2.2 GFLOPs',
        '-5%',
        '2,2G',
        '50%%',
        None,
        True,
        [2.2e9],
        '.',
        '1e',
        'nan',
        'inf',
    ],
)
def test_what_cant_be_read_shows_the_right_forms(target):
    with pytest.raises(TargetError, match="'2.2G', '211M', '50%'"):
        find_measure('flops').parse(target, FULL)


@pytest.mark.parametrize('target', [0, -1, '0%', '0G', float('nan'), -(10**400)])
def test_a_target_is_a_positive_number(target):
    with pytest.raises(TargetError, match='not above zero'):
        find_measure('flops').parse(target, FULL)


def test_a_bare_share_is_no_target():
    for target in (0.5, '0.5', Fraction(1, 2)):
        with pytest.raises(TargetError, match="write 0.5 of .* as '50%'$"):
            find_measure('flops').parse(target, FULL)


@pytest.mark.parametrize('target', ['50', 50, '0.02K'])
def test_a_few_operations_are_no_target(target):
    with pytest.raises(TargetError, match='means [25]0 multiply-accumulates: write'):
        find_measure('flops').parse(target, FULL)


def test_a_long_text_is_read_once():
    for target in ('9' * 10**6 + 'x', '5' + ' ' * 10**6 + 'x'):
        with pytest.raises(TargetError, match="[.]{3} can't be read"):
            find_measure('flops').parse(target, FULL)


def test_messages_name_what_is_counted():
    for target in ('half', -1, 1.5):
        with pytest.raises(TargetError, match='number of parameters, e.g.'):
            find_measure('params').parse(target, FULL)


@pytest.mark.parametrize('target', ['100%', FULL])
def test_the_full_network_is_no_target(target):
    with pytest.raises(TargetError, match='all of the full network.*Lower'):
        find_measure('flops').parse(target, FULL)


@pytest.mark.parametrize(
    'target', ['101%', '5G', FULL + 1, 10**400, Fraction(10**400, 3), '1e999']
)
def test_a_target_above_the_full_network_is_refused(target):
    with pytest.raises(TargetError, match='above the full network'):
        find_measure('flops').parse(target, FULL)


@pytest.mark.parametrize(
    'target, microseconds',
    [('3.5ms', 3500), ('800us', 800), ('0.002 s', 2000), ('60%', 6000)],
)
def test_a_latency_has_a_unit(target, microseconds):
    assert find_measure('latency').parse(target, 10_000) == microseconds


@pytest.mark.parametrize('target', [3.5, '3.5', '3.5G', '1m'])
def test_a_latency_without_a_unit_is_none(target):
    with pytest.raises(
        TargetError, match="'3.5ms', '800us', '50%' .of the full network.$"
    ):
        find_measure('latency').parse(target, 10_000)
