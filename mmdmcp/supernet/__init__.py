"""From a model to a supernet: units, layouts, cost."""

from .supernet import Supernet
from .units import Unit

__all__ = ['Supernet', 'Unit']
