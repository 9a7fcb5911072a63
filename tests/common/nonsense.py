"""Values that no option was made for, and a limit on what they may take."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal
from fractions import Fraction

import numpy as np
import torch
from hypothesis import strategies as st


class Unprintable:
    """Fails when it is shown."""

    def __repr__(self):
        raise RuntimeError('not to be shown')


class Hang(BaseException):
    """Something took longer than it may; no handler of errors stops it."""


@contextmanager
def time_limit(seconds: float) -> Iterator[None]:
    """Raise :class:`Hang` inside after so many seconds."""

    def stop(*_):
        raise Hang(f'more than {seconds} s')

    before = signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


EXTREMES = [
    0,
    -1,
    2**31,
    2**63,
    10**400,
    -(10**400),
    10**5000,
    0.0,
    5e-324,
    1e-300,
    1e-12,
    1e300,
    float('nan'),
    float('inf'),
    -float('inf'),
    Fraction(1, 3),
    Fraction(10**400, 3),
    Decimal('0.5'),
    1j,
    True,
    None,
    np.int64(3),
    np.float32(0.5),
    np.array(2),
    np.array([1, 2]),
    torch.tensor(0.5),
    torch.tensor([1, 2]),
]
NAMES = [
    '',
    '.',
    '../../x',
    '/',
    '~nobody',
    'x',
    'max',
    'auto',
    'even',
    'exp',
    'head.fc',
    'backbone',
    'mmdmcp.',
    'mmdmcp.DMCP',
    'mmdmcp.GateChannelUnit',
    'no.such',
    '0.5',
    '50',
    '50%',
    '1e400%',
    '5G',
    '\0',
    '\ud800',
    'a' * 300,
    'x' * 5000 + '.y',
    '9' * 5000,
]
OBJECTS = [object(), Unprintable(), dict, torch.nn.ReLU, len, b'x', {1}, range(3)]

simple = st.one_of(
    st.sampled_from(EXTREMES),
    st.sampled_from(NAMES),
    st.sampled_from(OBJECTS),
    st.integers(),
    st.floats(),
    st.text(max_size=8),
)
#: Anything: numbers, names, objects, and lists and dicts of them.
nonsense = st.one_of(
    simple,
    st.lists(simple, max_size=3),
    st.tuples(simple, simple),
    st.dictionaries(
        st.one_of(st.just('type'), st.integers(), st.text(max_size=4)),
        simple,
        max_size=3,
    ),
)
