"""Wrong values of options are refused by name."""

import re

import numpy as np
import pytest

from mmdmcp.errors import ConfigError
from mmdmcp.options import file_name, number


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
    ],
)
def test_others_are_named(value, limits, said):
    with pytest.raises(ConfigError, match=re.escape('Hook: tol' + said)):
        number('Hook: tol', value, **limits)


@pytest.mark.parametrize('name', [None, 'DIGITS', '50 %', '.x', 3])
def test_names_of_files(name):
    file_name('name', name)


@pytest.mark.parametrize('name', ['a/b', '../x', 'a/'])
def test_names_that_are_none(name):
    with pytest.raises(ConfigError, match='name=.*without a folder'):
        file_name('name', name)
