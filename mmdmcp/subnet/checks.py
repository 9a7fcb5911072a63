"""Checks of values that come from a file someone may have edited."""

import itertools
import re
from collections.abc import Callable
from operator import index as as_index
from typing import Any, TypeVar

from ..errors import SubnetError, shown

# Wider than any layer, small enough that a damaged number can't ask for
# gigabytes: no dimension, and no file's lists of kept indices together.
MAX_WIDTH = 1 << 20
MAX_KEPT = 1 << 22
MAX_COUNT = 1 << 62  # of MACs and parameters

_MEASURE = re.compile(r'[a-z][a-z0-9_]{0,31}')

Kept = tuple[int, ...] | None
T = TypeVar('T')


def named(where: str, make: Callable[..., T], *args: Any) -> T:
    """``make(*args)``; its errors begin with ``where``."""
    try:
        return make(*args)
    except SubnetError as error:
        raise SubnetError(f'{where}: {error}') from None


def mapping(
    where: str,
    data: Any,
    needed: tuple[str, ...] = (),
    allowed: tuple[str, ...] | None = None,
) -> dict[str, Any]:
    """``data`` as a mapping with the needed keys and no unknown one."""
    if not isinstance(data, dict):
        raise SubnetError(f'{where}: must hold keys and values, not {short(data)}')
    for key in data:
        if not isinstance(key, str) or not key or len(key) > 500:
            raise SubnetError(
                f'{where}: key {short(key)} is no name; quote it if it is one'
            )
        if allowed is not None and key not in needed + allowed:
            raise SubnetError(
                f'{where}: unknown key {short(key)}; the keys are '
                f'{", ".join(needed + allowed)}'
            )
    for key in needed:
        if key not in data:
            raise SubnetError(f'{where}: key {key!r} is missing')
    return data


def whole_number(name: str, value: Any, low: int = 1, high: int = MAX_WIDTH) -> int:
    """A whole number from low to high, as a Python int."""
    try:
        if isinstance(value, bool):
            raise TypeError
        number = as_index(value)
    except TypeError:
        raise SubnetError(f'{name}: {short(value)} is not a whole number') from None
    if not low <= number <= high:
        raise SubnetError(
            f'{name}: {short(number)} is out of range; it must be from {low} to {high}'
        )
    return number


def kept_indices(name: str, kept: Any, count: int | None, of: int = MAX_WIDTH) -> Kept:
    """Kept indices as a tuple; None where they are simply the first."""
    if kept is None:
        return None
    try:
        kept = tuple(as_index(i) for i in kept)
    except TypeError:
        raise SubnetError(f'{name}: must be whole numbers, not {short(kept)}') from None
    if count is None:
        raise SubnetError(
            f'{name}: also needs the number of them, {name.partition("_")[0]}'
        )
    if len(kept) != count:
        raise SubnetError(
            f'{name}: {len(kept)} indices are listed where {count} are kept'
        )
    if any(b <= a for a, b in itertools.pairwise(kept)):
        raise SubnetError(f'{name}: indices must increase, each once')
    if kept[0] < 0 or kept[-1] >= of:
        raise SubnetError(
            f'{name}: index {kept[0] if kept[0] < 0 else kept[-1]}'
            f' is out of range; there are {of} channels'
        )
    return None if kept[-1] == len(kept) - 1 else kept


def checked_cost(cost: Any) -> dict[str, Any]:
    """The ``cost`` of a file: ``input_shape``, and amounts by the names of
    measures; ``macs`` and ``params`` are always among them."""
    cost = mapping('cost', cost, ('macs', 'params', 'input_shape'))
    shape = cost['input_shape']
    if not isinstance(shape, (list, tuple)) or not 1 <= len(shape) <= 5:
        raise SubnetError(
            'cost: input_shape must be a list such as '
            f'[3, 224, 224], not {short(shape)}'
        )
    amounts = {key: value for key, value in cost.items() if key != 'input_shape'}
    sizes = [whole_number('cost: input_shape', size) for size in shape]
    return dict(_amounts('cost', amounts, 0), input_shape=sizes)


def checked_target(target: Any) -> dict[str, int]:
    """The ``target`` of a file: amounts by the names of measures."""
    target = mapping('target', target)
    if not target:
        raise SubnetError('target: is empty; write macs or params, or leave target out')
    return _amounts('target', target, 1)


def _amounts(where: str, amounts: dict[str, Any], low: int) -> dict[str, int]:
    """Amounts by the names of measures."""
    for key in amounts:
        if not _MEASURE.fullmatch(key):
            raise SubnetError(
                f'{where}: {short(key)} is no name of a measure, such as macs or params'
            )
    return {
        key: whole_number(f'{where}: {key}', value, low, MAX_COUNT)
        for key, value in amounts.items()
    }


def short(value: Any) -> str:
    """``repr`` of a value from a file, of bearable length."""
    if isinstance(value, int) and abs(value) >= 10**30:
        return 'a huge number'
    return shown(value, 60)
