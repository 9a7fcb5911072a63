"""Plain PyTorch: any ``nn.Module``, no Runner, no registry, no config."""

from .inspection import Inspection, UnitReport, inspect
from .prune import Pruned, prune

__all__ = ['Inspection', 'Pruned', 'UnitReport', 'inspect', 'prune']
