"""Which multiples of channels units keep."""

from functools import partial
from typing import Any

from ..errors import ConfigError
from ..options import number
from .select import Divisor

#: Multiples that a narrow unit keeps a choice of, whatever a profile says.
FEWEST_WIDTHS = 4


def check_divisor(name: str, divisor: Any) -> None:
    """Raise unless it is a whole number from 1 on, or ``'auto'``.

    Raises:
        ConfigError: Naming the option.
    """
    if not isinstance(divisor, str) or divisor != 'auto':
        number(name, divisor, low=1, whole=True, otherwise='auto')


def resolve_divisor(name: str, divisor: Any, multiple: int | None) -> Divisor:
    """A divisor in numbers.

    Args:
        name: The option, for the message.
        divisor: As users write it.
        multiple: What a latency profile found to pay; None without one.

    Raises:
        ConfigError: If it is ``'auto'`` and there is nothing to take it from.
    """
    if not isinstance(divisor, str):
        return divisor
    if multiple is None:
        raise ConfigError(
            f"{name}='auto' takes the multiple that pays from a latency profile: name "
            'one (profile=LATENCY.yaml; mmdmcp profile measures it, and adds the '
            'multiples to an older file), or give a number, such as 8'
        )
    return partial(fitting_multiple, multiple)


def fitting_multiple(multiple: int, channels: int) -> int:
    """A multiple that a profile found to pay, halved until at least
    :data:`FEWEST_WIDTHS` of it fit into a unit.

    Args:
        multiple: Of channels.
        channels: Of the unit.

    Example:
        >>> [fitting_multiple(16, channels) for channels in (256, 64, 24, 3)]
        [16, 16, 4, 1]
    """
    while multiple > 1 and multiple * FEWEST_WIDTHS > channels:
        multiple //= 2
    return multiple
