"""Registries of scope ``mmdmcp``.

MMEngine imports ``<scope>.registry`` when it meets a type such as
``mmdmcp.DMCP``, and each registry imports its ``locations`` at the first
look-up, so our types build from any ``default_scope`` with no import line
in the config. The parents are MMEngine's root registries: only children of
the root are found from other packages' scopes.
"""
from mmengine import registry as root
from mmengine.registry import Registry

from . import compat

compat.apply()


def _child(kind: str, *locations: str) -> Registry:
    parent = getattr(root, kind)
    return Registry(
        parent.name,
        parent=parent,
        scope='mmdmcp',
        locations=[f'mmdmcp.{place}' for place in locations])


MODELS = _child('MODELS', 'dmcp', 'gate', 'models')
DATASETS = _child('DATASETS', 'datasets')
HOOKS = _child('HOOKS', 'dmcp.hooks', 'gate.hooks')
LOOPS = _child('LOOPS', 'engine')
MODEL_WRAPPERS = _child('MODEL_WRAPPERS', 'engine')
OPTIM_WRAPPERS = _child('OPTIM_WRAPPERS', 'run.amp')
OPTIM_WRAPPER_CONSTRUCTORS = _child('OPTIM_WRAPPER_CONSTRUCTORS', 'engine')
