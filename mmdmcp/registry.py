"""Registries of scope ``mmdmcp``.

MMEngine imports ``<scope>.registry`` when it meets a type such as
``mmdmcp.DMCP``, and each registry imports its ``locations`` at the first
look-up, so our types build from any ``default_scope`` with no import line
in the config. The parents are MMEngine's root registries: only children of
the root are found from other packages' scopes.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mmengine import registry as root
from mmengine.registry import Registry

from . import compat
from .errors import ConfigError, MmdmcpError, first_line, shown
from .options import did_you_mean

compat.shipped_bases()


def _child(kind: str, *locations: str) -> Registry:
    parent = getattr(root, kind)
    return Registry(
        parent.name,
        parent=parent,
        scope='mmdmcp',
        locations=[f'mmdmcp.{place}' for place in locations],
    )


def _with_file(name: str) -> list[str]:
    """The methods' folders, those sub-packages that have such a file."""
    found = Path(__file__).parent.glob(f'*/{name}')
    return sorted({path.parent.name for path in found} - {'methods'})


MODELS = _child('MODELS', *_with_file('algorithm.py'), 'models')
DATASETS = _child('DATASETS', 'datasets')
HOOKS = _child(
    'HOOKS', 'engine', *(f'{method}.hooks' for method in _with_file('hooks.py'))
)
LOOPS = _child('LOOPS', 'engine', 'methods')
MODEL_WRAPPERS = _child('MODEL_WRAPPERS', 'engine')
OPTIM_WRAPPERS = _child('OPTIM_WRAPPERS', 'engine')
OPTIM_WRAPPER_CONSTRUCTORS = _child('OPTIM_WRAPPER_CONSTRUCTORS', 'methods')
PARAM_SCHEDULERS = _child('PARAM_SCHEDULERS', 'methods')


def registered(option: str, name: str, base: type) -> type:
    """The class that is registered under a name.

    Args:
        option: The option that asks for it, for the message.
        name: Type as configs write it, ``'mmdmcp.DMCPChannelUnit'``.
        base: What the class must be or inherit from.

    Raises:
        ConfigError: If there is none, or it is something else.
    """
    found = find(MODELS, name) if isinstance(name, str) else name
    if not isinstance(found, type) or not issubclass(found, base):
        raise ConfigError(
            f'{option}={shown(name)}: give the registered type of a '
            f'mmdmcp.{base.__name__} or of a subclass, which must have been '
            'imported (custom_imports)'
        )
    return found


def find(registry: Registry, name: str, scope: str | None = None) -> Any:
    """What is registered under a name, in a scope or the default one; None
    if nothing is.

    MMEngine imports ``<scope>.registry`` for a name with a dot, and answers
    one that is none, ``'../x'``, with an error of the import system.
    """
    first, dot, _ = name.partition('.')
    if dot and not first.isidentifier():
        return None
    try:
        with registry.switch_scope_and_registry(scope) as here:
            return here.get(name)
    except (AssertionError, KeyError, OSError, RuntimeError, TypeError, ValueError):
        return None


def build(option: str, cfg: Mapping, registry: Registry = MODELS) -> Any:
    """Build one part of a config; what is wrong with it is named.

    Args:
        option: The option that holds the config, for the message.
        cfg: The config, a dict with its type.
        registry: Where the type is registered. Defaults to ``MODELS``.

    Raises:
        ConfigError: If there is no such type, or it can't be built of the
            other options. Errors of this package pass through.
    """
    kind = cfg.get('type')
    for key in cfg:
        if not isinstance(key, str):
            raise ConfigError(
                f'{option}: {shown(key)} is no name of an option: write a string'
            )
    if not isinstance(kind, str) and not callable(kind):
        raise ConfigError(
            f'{option}.type={shown(kind)}: give the name of a registered type'
        )
    if isinstance(kind, str) and find(registry, kind, cfg.get('_scope_')) is None:
        with registry.switch_scope_and_registry(None) as here:
            known = [*here.module_dict, *(f'mmdmcp.{n}' for n in registry.module_dict)]
        raise ConfigError(
            f'{option}.type={shown(kind)}: nothing of that name is registered.'
            f'{did_you_mean(kind, known)} What a package of your own registers must '
            'have been imported (custom_imports)'
        )
    try:
        return registry.build(cfg)
    except MmdmcpError:
        raise
    except Exception as error:
        raise ConfigError(
            f"{option}: a {shown(kind)} can't be built of its options "
            f'({type(error).__name__}: {first_line(error, 300)}). --debug shows where'
        ) from error
