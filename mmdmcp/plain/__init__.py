"""Plain PyTorch: any ``nn.Module``, no Runner, no registry, no config."""

from .inspection import Inspection, UnitReport, inspect
from .narrowing import Sensitivity, sensitivity
from .prune import Pruned, prune

__all__ = [
    'Inspection',
    'Pruned',
    'Sensitivity',
    'UnitReport',
    'inspect',
    'prune',
    'sensitivity',
]
