"""Types and optimisers of a config, checked before anything is built.

MMEngine looks up a name only when it builds the object, and answers one that
it does not find with a long list of registries.
"""

from collections.abc import Mapping

from mmengine import registry as root
from mmengine.config import Config

from .. import registry
from ..errors import ConfigError
from ..options import did_you_mean
from .config import SEARCHES
from .device import optim_wrappers
from .walk import is_type, nodes

_OURS = [
    kind
    for kind in vars(registry)
    if isinstance(getattr(registry, kind), root.Registry)
]
_CONSTRUCTOR = 'mmdmcp.SearchOptimWrapperConstructor'
_PARTS = ('architecture', 'mutator')


def check_types(cfg: Config) -> None:
    """Check the names of this package's types, and the optimisers' options.

    Args:
        cfg: The config of a run.

    Raises:
        ConfigError: If a name is misspelt or lacks its scope, or a search
            has the optimisers, schedules or validation of something else.
            The message names the key.
    """
    scope = cfg.get('default_scope') or 'mmengine'
    for key, node in nodes(cfg):
        name = node.get('type')
        if isinstance(name, str):
            _check_name(f'{key}.type', name, scope)
    _check_wrappers(cfg, scope)
    _check_schedules(cfg)
    _check_validation(cfg)


def _check_name(key: str, name: str, scope: str) -> None:
    own_scope, _, own = name.rpartition('.')
    if own_scope not in ('', 'mmdmcp'):
        return
    known = _own_names()
    if own_scope and known and own not in known:
        raise ConfigError(
            f'{key}={name!r}: mmdmcp has no {own}.' + did_you_mean(own, known)
        )
    if not own_scope and own in known and not _found(known[own], own, scope):
        raise ConfigError(
            f"{key}={name!r}: write 'mmdmcp.{name}', {scope} has no {name}"
        )


def _own_names() -> dict[str, str]:
    """This package's types, and the registry of each; none if a package
    that some of them need is missing."""
    names = {}
    for kind in _OURS:
        ours = getattr(registry, kind)
        try:
            ours.import_from_location()
        except ImportError:
            return {}
        names.update(dict.fromkeys(ours.module_dict, kind))
    return names


def _found(kind: str, name: str, scope: str) -> bool:
    with getattr(root, kind).switch_scope_and_registry(scope) as found:
        return found.get(name) is not None


def _check_wrappers(cfg: Config, scope: str) -> None:
    wrapper = cfg.get('optim_wrapper')
    if wrapper is None:
        return
    if not isinstance(wrapper, Mapping):
        raise ConfigError(
            f'optim_wrapper={wrapper!r} must be a dict; '
            'options inside it are given by their full key: '
            'optim_wrapper.optimizer.lr=0.1'
        )
    if is_type(cfg.model.get('type'), *SEARCHES) and (
        not is_type(wrapper.get('constructor'), _CONSTRUCTOR)
        or not all(isinstance(wrapper.get(p), Mapping) for p in _PARTS)
    ):
        raise ConfigError(
            f'optim_wrapper: a search trains weights and {_PARTS[1]}, each '
            f"with an optimiser of its own: dict(constructor='{_CONSTRUCTOR}'"
            ', architecture=dict(optimizer=...), mutator=dict(optimizer=...))'
        )
    for one in optim_wrappers(cfg):
        name = (one.get('optimizer') or {}).get('type')
        if isinstance(name, str) and not _found('OPTIMIZERS', name, scope):
            known = root.OPTIMIZERS.module_dict
            raise ConfigError(
                f'optim_wrapper: there is no optimiser {name!r}.'
                + did_you_mean(name, known)
            )


def _check_schedules(cfg: Config) -> None:
    """A search may have schedules for each of its two parts."""
    schedules = cfg.get('param_scheduler')
    if (
        not is_type(cfg.model.get('type'), *SEARCHES)
        or not isinstance(schedules, Mapping)
        or 'type' in schedules
    ):
        return
    if set(schedules) != set(_PARTS):
        raise ConfigError(
            'param_scheduler of a search has the schedules of '
            f'{" and of ".join(_PARTS)}, [] for none; it has '
            f'{", ".join(schedules)}'
        )


def _check_validation(cfg: Config) -> None:
    """Networks with gates have no expected widths to validate at."""
    kind = (cfg.get('val_cfg') or {}).get('type')
    if is_type(cfg.model.get('type'), 'mmdmcp.TrainableGate') and is_type(
        kind, 'mmdmcp.SearchValLoop'
    ):
        raise ConfigError(
            f'val_cfg.type={kind!r} is for mmdmcp.DMCP; a network with gates '
            'is validated as it stands: leave the type out'
        )
