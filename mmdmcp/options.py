"""Options that users write in configs: wrong ones are refused by name."""

import difflib
import inspect
import math
import operator
import re
from collections.abc import Callable, Collection, Iterable, Sequence
from numbers import Integral, Rational, Real
from pathlib import Path
from typing import Any

from .errors import ConfigError, shown

#: Longest name of a file that an option may give, in bytes.
_LONGEST_NAME = 180


def refuse_unknown(owner: Any, unknown: dict) -> None:
    """Raise if a constructor was given options that it does not know.

    Args:
        owner: The object being built.
        unknown: What its constructor collected in ``**unknown``.

    Raises:
        ConfigError: Naming the option, the nearest known one and all others.
    """
    _refuse(unknown, type(owner), type(owner).__name__)


def build_options(cls: type, options: dict | None, place: str) -> Any:
    """Build a plain options class from a config's dict.

    Args:
        cls: The class.
        options: Its arguments; None for the defaults.
        place: Where the dict stands in the config, for the message.

    Raises:
        ConfigError: If it is no dict, or an option is unknown.
    """
    if not isinstance(options, (dict, type(None))):
        raise ConfigError(f'{place}={shown(options)}: give its options as a dict')
    options = dict(options or {})
    known = _known(cls)
    _refuse([option for option in options if option not in known], cls, place)
    return cls(**options)


def _known(cls: type) -> list[str]:
    return [
        name
        for name, p in inspect.signature(cls).parameters.items()
        if p.kind is not p.VAR_KEYWORD
    ]


def _refuse(unknown: Iterable[str], cls: type, place: str) -> None:
    known = _known(cls)
    for option in unknown:
        raise ConfigError(
            f'{place} has no option {shown(option)}.{did_you_mean(option, known)} '
            f'Its options are {", ".join(known)}'
        )


def number(
    name: str,
    value: Any,
    low: float | None = None,
    high: float | None = None,
    above: float | None = None,
    below: float | None = None,
    whole: bool = False,
    otherwise: str | None = None,
) -> Real:
    """Check that an option is a number, and in its range.

    Args:
        name: The option, as the message shall name it.
        value: What was written.
        low: Least value, if there is one.
        high: Largest value.
        above: What the value must be above.
        below: What the value must be below.
        whole: Whether it must be a whole number. Defaults to False.
        otherwise: What it may be instead, and is not; for the message.

    Returns:
        The value.

    Raises:
        ConfigError: Naming the option, its value and its range.

    Example:
        >>> number('tolerance', 0.01, above=0, below=1)
        0.01
    """
    limits = [
        (word, limit, holds)
        for word, limit, holds in (
            ('from', low, operator.ge),
            ('above', above, operator.gt),
            ('up to', high, operator.le),
            ('below', below, operator.lt),
        )
        if limit is not None
    ]
    if not _is_usable(value, whole) or not all(
        holds(value, limit) for _, limit, holds in limits
    ):
        range_ = ' and '.join(f'{word} {limit}' for word, limit, _ in limits)
        raise ConfigError(
            f'{name}={shown(value)}: give a '
            f'{"whole " if whole else ""}number {range_}'.rstrip()
            + (f', or {otherwise!r}' if otherwise else '')
        )
    return value


def _is_usable(value: Any, whole: bool) -> bool:
    """Whether tensors can be multiplied with it: an ``int`` or a ``float`` of
    any library, finite. A ``Fraction`` is none, nor is an int that no float
    can hold."""
    if isinstance(value, bool) or not isinstance(value, Integral if whole else Real):
        return False
    if isinstance(value, Rational) and not isinstance(value, Integral):
        return False
    try:
        return math.isfinite(value)
    except OverflowError:
        return False


def one_of(name: str, value: Any, known: Collection[str]) -> None:
    """Check that an option is one of a few names.

    Raises:
        ConfigError: Naming the option, its value and the names.
    """
    # An array compares element by element, and has no truth value then.
    if not isinstance(value, str) or value not in known:
        raise ConfigError(f'{name}={shown(value)}; choose from {tuple(known)}')


def file_name(name: str, value: Any) -> None:
    """Check that an option can be part of a file's name; None is one.

    Raises:
        ConfigError: Naming the option and its value.
    """
    if value is None:
        return
    text = value if isinstance(value, str) else ''
    if _is_usable(value, whole=False):
        text = str(value)
    if not text.isprintable() or Path(text).name != text or not text:
        raise ConfigError(
            f'{name}={shown(value)}: give a name for a file, without a folder'
        )
    # 255 bytes is what file systems allow; a prefix, a suffix and the number
    # of the process that writes it come on top.
    if len(text.encode()) > _LONGEST_NAME:
        raise ConfigError(
            f'{name}={shown(value, 40)}: too long for the name of a file; '
            f'give one of at most {_LONGEST_NAME} bytes'
        )


def prefixes(name: str, value: Any, known: Iterable[str]) -> None:
    """Check an option that names parts of a model; None is all of it.

    Args:
        name: The option, as the message shall name it.
        value: What was written.
        known: Names of the model's modules.

    Raises:
        ConfigError: If it is no list of names, or the model has no such
            module: nothing would begin with that name.
    """
    if value is None:
        return
    if not isinstance(value, (list, tuple)) or not all(
        isinstance(prefix, str) for prefix in value
    ):
        raise ConfigError(
            f"{name}={shown(value)}: give a list of names, such as ['backbone']"
        )
    known = set(known)
    for prefix in value:
        if prefix.rstrip('.') not in known:
            raise ConfigError(
                f'{name}: the model has no module {shown(prefix)}.'
                + did_you_mean(prefix, known)
            )


def matched(
    name: str, value: Any, layers: Sequence[str], modules: Iterable[str] = ()
) -> dict[str, list[str]]:
    """The layers that an option leaves out.

    Args:
        name: The option, as the message shall name it.
        value: What was written: a list of prefixes, as ``'backbone.layer1'``,
            or regular expressions of whole names, as ``r'.*\\.conv3'``; None
            leaves nothing out.
        layers: Names of the model's layers.
        modules: Names of the modules around them, for the message.

    Returns:
        For each entry the layers that it names.

    Raises:
        ConfigError: If it is no list of names, or an entry names no layer.

    Example:
        >>> matched('exclude', [r'.*\\.b', 'c'], ['a.b', 'c.a', 'c.b'])
        {'.*\\\\.b': ['a.b', 'c.b'], 'c': ['c.a', 'c.b']}
    """
    if value is None:
        return {}
    if not isinstance(value, (list, tuple)) or not all(
        isinstance(entry, str) and entry for entry in value
    ):
        raise ConfigError(
            f'{name}={shown(value)}: give a list of names or regular expressions, '
            "such as ['backbone.layer1']"
        )
    found = {}
    for entry in value:
        start, whole = entry.rstrip('.') + '.', _expression(entry)
        found[entry] = [
            layer
            for layer in layers
            if f'{layer}.'.startswith(start) or (whole and whole.fullmatch(layer))
        ]
        if not found[entry]:
            why = '' if whole else ', and it is no regular expression'
            hint = _for_no_match(entry, whole, layers, modules)
            raise ConfigError(f'{name}: {shown(entry)} matches no layer{why}.{hint}')
    return found


def _for_no_match(
    entry: str,
    whole: re.Pattern | None,
    layers: Sequence[str],
    modules: Iterable[str],
) -> str:
    """A sentence on what to write instead of an entry that names no layer."""
    inside = [layer for layer in layers if whole and whole.search(layer)]
    if inside:
        # `whole` matches inside of a name, so this matches all of it.
        return (
            f' A regular expression is one of a whole name: {f".*{entry}.*"!r} matches '
            f'{len(inside)}, such as {inside[0]!r}'
        )
    return did_you_mean(entry, [*modules, *layers]) or (
        f' Layers have names such as {layers[0]!r}; `mmdmcp inspect` lists them'
        if layers
        else ''
    )


def _expression(text: str) -> re.Pattern | None:
    try:
        return re.compile(text)
    except re.error:
        return None


def did_you_mean(
    name: str,
    known: Iterable[str],
    cutoff: float = 0.6,
    shown: Callable[[str], str] = repr,
) -> str:
    """A sentence for the end of a message; '' if no known name is near.

    Args:
        name: What was written.
        known: What could have been meant.
        cutoff: How alike the two must be, from 0 to 1. Defaults to 0.6.
        shown: What to print of the known name. Defaults to its ``repr``.

    Example:
        >>> did_you_mean('traget', ['target', 'mutator'])
        " Did you mean 'target'?"
    """
    if not isinstance(name, str) or len(name) > 200:  # it takes the square of it
        return ''
    close = difflib.get_close_matches(name, known, 1, cutoff)
    return f' Did you mean {shown(close[0])}?' if close else ''
