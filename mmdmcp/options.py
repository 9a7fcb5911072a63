"""Options that users write in configs: unknown ones are refused by name."""
import difflib
import inspect
from typing import Any, Iterable, List, Optional

from .errors import ConfigError


def refuse_unknown(owner: Any, unknown: dict) -> None:
    """Raise if a constructor was given options that it does not know.

    Args:
        owner: The object being built.
        unknown: What its constructor collected in ``**unknown``.

    Raises:
        ConfigError: Naming the option, the nearest known one and all others.
    """
    _refuse(unknown, type(owner), type(owner).__name__)


def build_options(cls: type, options: Optional[dict], place: str) -> Any:
    """Build a plain options class from a config's dict.

    Args:
        cls: The class.
        options: Its arguments; None for the defaults.
        place: Where the dict stands in the config, for the message.

    Raises:
        ConfigError: If an option is unknown.
    """
    options = dict(options or {})
    known = _known(cls)
    _refuse([option for option in options if option not in known], cls, place)
    return cls(**options)


def _known(cls: type) -> List[str]:
    return [
        name for name, p in inspect.signature(cls).parameters.items()
        if p.kind is not p.VAR_KEYWORD
    ]


def _refuse(unknown: Iterable[str], cls: type, place: str) -> None:
    known = _known(cls)
    for option in unknown:
        close = difflib.get_close_matches(option, known, n=1)
        hint = f' Did you mean {close[0]!r}?' if close else ''
        raise ConfigError(f'{place} has no option {option!r}.{hint} Its '
                          f'options are {", ".join(known)}')
