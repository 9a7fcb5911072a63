"""Channel pruning for OpenMMLab models: DMCP and trainable gates.

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
    SubnetError,
    TargetError,
    TraceError,
    TrainingError,
)

__version__ = '0.1.0'

# Where a public name lives; each is imported the first time it is used.
_LAZY = {
    'DMCP': 'mmdmcp.dmcp',
    'DMCPChannelMutator': 'mmdmcp.dmcp',
    'DMCPChannelUnit': 'mmdmcp.dmcp',
    'TrainableGate': 'mmdmcp.gate',
    'GateChannelMutator': 'mmdmcp.gate',
    'GateChannelUnit': 'mmdmcp.gate',
    'PrunedModel': 'mmdmcp.models',
    'PrunedBackbone': 'mmdmcp.models',
    'DistilledModel': 'mmdmcp.models',
    'FittedModel': 'mmdmcp.models',
    'ResNetCifar': 'mmdmcp.models',
    'TorchvisionClassifier': 'mmdmcp.models',
    'Subnet': 'mmdmcp.subnet',
}

__all__ = [
    'CheckpointError',
    'ConfigError',
    'DataError',
    'ExportError',
    'LaunchError',
    'MmdmcpError',
    'SubnetError',
    'TargetError',
    'TraceError',
    'TrainingError',
    *_LAZY,
]


def __getattr__(name: str):
    if name not in _LAZY:
        raise AttributeError(f'module {__name__!r} has no attribute {name!r}')
    return getattr(import_module(_LAZY[name]), name)


def __dir__():
    return sorted(set(globals()) | set(_LAZY))
