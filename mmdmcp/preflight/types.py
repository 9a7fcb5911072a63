"""Types and optimisers of a config, checked before anything is built.

MMEngine looks up a name only when it builds the object, and answers one that
it does not find with a long list of registries.
"""

from collections.abc import Mapping

from mmengine import registry as root
from mmengine.config import Config

from .. import registry
from ..compat import repair_mmrazor
from ..errors import ConfigError
from ..methods import PruningAlgorithm, SearchOptimWrapperConstructor, SearchValLoop
from ..options import did_you_mean
from ..walk import is_type, nodes
from .device import optim_wrappers
from .searches import search_class

_OURS = [
    kind
    for kind in vars(registry)
    if isinstance(getattr(registry, kind), root.Registry)
]
_CONSTRUCTOR = 'mmdmcp.SearchOptimWrapperConstructor'
_PARTS = SearchOptimWrapperConstructor.parts


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
            if name.startswith('mmrazor.'):
                repair_mmrazor()
            _check_name(f'{key}.type', name, scope)
    method = search_class(cfg.model, scope)
    _check_wrappers(cfg, scope, method)
    _check_schedules(cfg, method)
    _check_compile(cfg, method)
    _check_validation(cfg, scope, method)


def _check_compile(cfg: Config, method: type[PruningAlgorithm] | None) -> None:
    if method is not None and cfg.get('compile'):
        raise ConfigError(
            f'compile={cfg.compile!r}: a search runs its network with other '
            'channels in every iteration, and torch.compile would compile it '
            'anew for each, which takes minutes and gains nothing. Leave '
            'compile out of the search; set it where the small network is '
            'retrained'
        )


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


def _check_wrappers(
    cfg: Config, scope: str, method: type[PruningAlgorithm] | None
) -> None:
    wrapper = cfg.get('optim_wrapper')
    if wrapper is None:
        return
    if not isinstance(wrapper, Mapping):
        raise ConfigError(
            f'optim_wrapper={wrapper!r} must be a dict; '
            'options inside it are given by their full key: '
            'optim_wrapper.optimizer.lr=0.1'
        )
    two = method is not None and method.trains_mutator
    if two and (
        not is_type(wrapper.get('constructor'), _CONSTRUCTOR)
        or not all(isinstance(wrapper.get(p), Mapping) for p in _PARTS)
    ):
        raise ConfigError(
            f'optim_wrapper: {cfg.model.type} trains weights and {_PARTS[1]}, each '
            f"with an optimiser of its own: dict(constructor='{_CONSTRUCTOR}'"
            ', architecture=dict(optimizer=...), mutator=dict(optimizer=...))'
        )
    if method is not None and not two and 'mutator' in wrapper:
        raise ConfigError(
            f'optim_wrapper.mutator: the mutator of {cfg.model.type} learns nothing; '
            'give one optim_wrapper, of the weights'
        )
    for one in optim_wrappers(cfg):
        name = (one.get('optimizer') or {}).get('type')
        if isinstance(name, str) and not _found('OPTIMIZERS', name, scope):
            known = root.OPTIMIZERS.module_dict
            raise ConfigError(
                f'optim_wrapper: there is no optimiser {name!r}.'
                + did_you_mean(name, known)
            )


def _check_schedules(cfg: Config, method: type[PruningAlgorithm] | None) -> None:
    """A search may have schedules for each of its two parts."""
    schedules = cfg.get('param_scheduler')
    if (
        method is None
        or not method.trains_mutator
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


def _check_validation(
    cfg: Config, scope: str, method: type[PruningAlgorithm] | None
) -> None:
    """Only some methods have networks to validate by name."""
    val = cfg.get('val_cfg') or {}
    kind = val.get('type')
    if method is None or kind is None:
        return
    with root.LOOPS.switch_scope_and_registry(scope) as loops:
        loop = loops.get(kind) if isinstance(kind, str) else kind
    if not isinstance(loop, type) or not issubclass(loop, SearchValLoop):
        return
    if not method.validated:
        raise ConfigError(
            f'val_cfg.type={kind!r} validates networks of a search by name, of '
            f'which {cfg.model.type} has none; it is validated as it stands: leave '
            'the type out'
        )
