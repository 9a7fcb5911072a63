"""Sorted index lists as text: ``'0-51 64-89 93'``."""

import re
from collections.abc import Iterable

from ..errors import SubnetError

# Nine digits are more than any width needs and keep int() quick whatever
# a damaged file says.
_ITEM = re.compile(r'(\d{1,9})(?:-(\d{1,9}))?', re.ASCII)


def format_ranges(indices: Iterable[int]) -> str:
    """Write strictly increasing indices as inclusive ranges.

    >>> format_ranges([0, 1, 2, 5, 7, 8])
    '0-2 5 7-8'
    """
    ranges: list[list[int]] = []
    for index in indices:
        if ranges and index == ranges[-1][1] + 1:
            ranges[-1][1] = index
        else:
            ranges.append([index, index])
    return ' '.join(
        str(first) if first == last else f'{first}-{last}' for first, last in ranges
    )


def parse_ranges(text: str, count: int) -> tuple[int, ...]:
    """Read what :func:`format_ranges` wrote.

    Args:
        text (str): Inclusive ranges, separated by spaces, increasing.
        count (int): How many indices there must be. Known before the text
            is expanded, so that a short text can't ask for a huge list.

    Raises:
        SubnetError: If the text is no list of ranges, the indices don't
            increase, or there are not exactly ``count``.
    """
    ranges, total, previous = [], 0, -1
    for item in text.split():
        match = _ITEM.fullmatch(item)
        if not match:
            raise SubnetError(
                f"{item[:40]!r} is no range of indices; write them like '0-51 64-89 93'"
            )
        first = int(match[1])
        last = first if match[2] is None else int(match[2])
        if not previous < first <= last:
            raise SubnetError(
                f'index range {item!r} is out of order: '
                'indices must increase, each once'
            )
        previous = last
        total += last - first + 1
        ranges.append((first, last))
    if total != count:
        raise SubnetError(f'{total} indices are listed where {count} are kept')
    return tuple(i for first, last in ranges for i in range(first, last + 1))
