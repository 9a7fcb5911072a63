"""Registries of scope ``mmdmcp``.

MMEngine imports ``<scope>.registry`` when it meets a type such as
``mmdmcp.DMCP``, and each registry imports its ``locations`` at the first
look-up, so our types build from any ``default_scope`` with no import line
in the config. The parents are MMEngine's root registries: only children of
the root are found from other packages' scopes.
"""

from pathlib import Path

from mmengine import registry as root
from mmengine.registry import Registry

from . import compat
from .errors import ConfigError

compat.apply()


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
HOOKS = _child('HOOKS', *(f'{method}.hooks' for method in _with_file('hooks.py')))
LOOPS = _child('LOOPS', 'engine', 'methods')
MODEL_WRAPPERS = _child('MODEL_WRAPPERS', 'engine')
OPTIM_WRAPPERS = _child('OPTIM_WRAPPERS', 'engine')
OPTIM_WRAPPER_CONSTRUCTORS = _child('OPTIM_WRAPPER_CONSTRUCTORS', 'methods')


def registered(option: str, name: str, base: type) -> type:
    """The class that is registered under a name.

    Args:
        option: The option that asks for it, for the message.
        name: Type as configs write it, ``'mmdmcp.DMCPChannelUnit'``.
        base: What the class must be or inherit from.

    Raises:
        ConfigError: If there is none, or it is something else.
    """
    found = MODELS.get(name) if isinstance(name, str) else name
    if not isinstance(found, type) or not issubclass(found, base):
        raise ConfigError(
            f'{option}={name!r}: give the registered type of a '
            f'mmdmcp.{base.__name__} or of a subclass, which must have been '
            'imported (custom_imports)'
        )
    return found
