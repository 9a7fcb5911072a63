"""A cost target as users write it: '2.2G', '211M', '50%' or a number."""

import math
import re
from numbers import Real

from ..errors import TargetError

_UNITS = {'': 1, 'K': 1e3, 'M': 1e6, 'G': 1e9, 'T': 1e12}
_WRITTEN = re.compile(
    r'\s*([0-9]*\.?[0-9]+(?:e[0-9]+)?)\s*([KMGT%]?)\s*', re.IGNORECASE
)
_FORMS = (
    "write it as '2.2G', '211M', '50%' (of the full network) or as a "
    'number of {}, e.g. 2200000000'
)


def parse_target(
    target: str | Real, full: int, counted: str = 'multiply-accumulates'
) -> int:
    """The target as a whole number of what is counted.

    Args:
        target: ``'2.2G'``, ``'211M'``, ``'50%'`` or a number.
        full: The cost of the full network.
        counted: What both count, for messages. Defaults to
            'multiply-accumulates'.

    Returns:
        The cost aimed at, rounded to an integer.

    Raises:
        TargetError: If it can't be read, is not positive, or is not below
            the full network.

    Example:
        >>> parse_target('50%', 40_813_184)
        20406592
    """
    forms = _FORMS.format(counted)
    if isinstance(target, str):
        match = _WRITTEN.fullmatch(target)
        if match is None:
            raise TargetError(f"target={target!r} can't be read: {forms}")
        number, unit = float(match[1]), match[2].upper()
        cost = number / 100 * full if unit == '%' else number * _UNITS[unit]
    elif isinstance(target, Real) and not isinstance(target, bool):
        cost = float(target)
    else:
        raise TargetError(f"target={target!r} can't be read: {forms}")
    if not (math.isfinite(cost) and cost > 0):
        raise TargetError(f'target={target!r} is not above zero: {forms}')
    if cost < 100 and not isinstance(target, str):
        hint = (
            f"; write {target:.4g} of the full network as '{100 * target:.4g}%'"
            if cost < 1
            else f': {forms}'
        )
        raise TargetError(f'target={target!r} means {cost:g} {counted}{hint}')
    if cost >= full:
        raise TargetError(
            f'target={target!r} is {cost / 1e6:,.1f} M {counted}, '
            f"{'above' if cost > full else 'all of'} the full network's "
            f'{full / 1e6:,.1f} M: nothing is left to prune. Lower the '
            'target, or widen the network'
        )
    return round(cost)
