"""Wrong values of options are refused by name."""

import re
from fractions import Fraction

import numpy as np
import pytest

from mmdmcp.errors import ConfigError
from mmdmcp.options import did_you_mean, file_name, number, one_of


@pytest.mark.parametrize(
    'value, limits',
    [
        (0.01, dict(above=0, below=1)),
        (1, dict(low=1, high=1)),
        (np.float32(0.5), dict(low=0)),
        (np.int64(3), dict(low=0, whole=True)),
    ],
)
def test_numbers_in_range_pass(value, limits):
    assert number('x', value, **limits) is value


@pytest.mark.parametrize(
    'value, limits, said',
    [
        ('1%', dict(above=0, below=1), "='1%': give a number above 0 and below 1"),
        (0, dict(above=0, high=1), '=0: give a number above 0 and up to 1'),
        (True, dict(low=0), '=True: give a number from 0'),
        (None, dict(low=0), '=None: give'),
        ([1], dict(low=0), '=[1]: give'),
        (float('nan'), dict(low=0), '=nan: give'),
        (float('inf'), dict(above=0), '=inf: give'),
        (1.5, dict(low=0, whole=True), '=1.5: give a whole number from 0'),
        (Fraction(1, 2), dict(low=0), '=Fraction(1, 2): give a number from 0'),
        (np.array([1, 2]), dict(low=0), '=array([1, 2]): give a number from 0'),
        ('x' * 999, dict(), f"='{'x' * 116}...: give a number"),
    ],
)
def test_others_are_named(value, limits, said):
    with pytest.raises(ConfigError, match=re.escape('Hook: tol' + said)):
        number('Hook: tol', value, **limits)


@pytest.mark.parametrize('name', [None, 'DIGITS', '50 %', '.x', 3])
def test_names_of_files(name):
    file_name('name', name)


@pytest.mark.parametrize(
    'name', ['a/b', '../x', 'a/', '', '.', 'a\0', 'a\n', '\ud800', [1], b'x']
)
def test_names_that_are_none(name):
    with pytest.raises(ConfigError, match='name=.*without a folder'):
        file_name('name', name)


def test_numbers_that_python_refuses_to_print():
    with pytest.raises(ConfigError, match='x=<int>: give a number from 0'):
        number('x', 10**5000, low=0)
    with pytest.raises(ConfigError, match='x=<int>: give a name for a file'):
        file_name('x', 10**5000)


def test_a_name_that_no_file_system_takes_is_refused_before_the_search():
    file_name('name', 'x' * 180)
    for name in ('x' * 181, 'ä' * 91):
        with pytest.raises(ConfigError, match='too long.*at most 180 bytes'):
            file_name('name', name)


@pytest.mark.parametrize('value', ['c', 5, None, ['a'], np.array(['a', 'b'])])
def test_names_to_choose_from(value):
    one_of('x', 'a', ('a', 'b'))
    with pytest.raises(ConfigError, match=r"x=.*; choose from \('a', 'b'\)"):
        one_of('x', value, ('a', 'b'))


def test_what_is_no_name_is_near_to_none():
    assert did_you_mean('traget', ['target']) == " Did you mean 'target'?"
    assert did_you_mean(5, ['target']) == did_you_mean('t' * 10**6, ['target']) == ''
