"""Channel pruning for OpenMMLab models.

Importing ``mmdmcp`` costs nothing: no framework is imported until a name
is used, so ``mmdmcp.subnet`` works where only torch and PyYAML are
installed.
"""

from importlib import import_module

from .errors import (
    CheckpointError,
    ConfigError,
    DataError,
    ExportError,
    LaunchError,
    MmdmcpError,
    ProfileError,
    SubnetError,
    TargetError,
    TraceError,
    TrainingError,
)

__version__ = '0.1.0'

# Where a public name lives; each is imported the first time it is used. The
# registered types of the methods (DMCP, DMCPChannelMutator, ...) are found by
# their registry.
_LAZY = {
    'PrunedModel': 'mmdmcp.models',
    'PrunedBackbone': 'mmdmcp.models',
    'DistilledModel': 'mmdmcp.models',
    'FittedModel': 'mmdmcp.models',
    'ResNetCifar': 'mmdmcp.models',
    'TorchvisionClassifier': 'mmdmcp.models',
    'Subnet': 'mmdmcp.subnet',
    'apply': 'mmdmcp.subnet',
    'prune': 'mmdmcp.plain',
    'inspect': 'mmdmcp.plain',
    'profile': 'mmdmcp.deploy.profile',
    'sensitivity': 'mmdmcp.plain',
}
# Sub-packages that are used as attributes; `mmdmcp.cost` can be called, too.
_PACKAGES = ('cost', 'search', 'subnet')

__all__ = [
    'CheckpointError',
    'ConfigError',
    'DataError',
    'ExportError',
    'LaunchError',
    'MmdmcpError',
    'ProfileError',
    'SubnetError',
    'TargetError',
    'TraceError',
    'TrainingError',
    *_LAZY,
    *_PACKAGES,
]


def __getattr__(name: str):
    if name in _PACKAGES:
        return import_module(f'{__name__}.{name}')
    if name in _LAZY:
        return getattr(import_module(_LAZY[name]), name)
    # Types have capitals; `from mmdmcp import subnet` is to import no framework.
    found = _types().get(name) if name[:1].isupper() else None
    if found is None:
        raise AttributeError(f'module {__name__!r} has no attribute {name!r}')
    return found


def __dir__():
    return sorted({*globals(), *_LAZY, *_PACKAGES, *_types()})


def _types() -> dict[str, type]:
    """Registered types; none where MMEngine or a package of them is missing."""
    try:
        models = import_module('mmdmcp.registry').MODELS
        models.import_from_location()
    except ImportError:
        return {}
    return dict(models.module_dict)
