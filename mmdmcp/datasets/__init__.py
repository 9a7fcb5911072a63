"""Datasets: an embedded real one, and a held-out part of any other."""

from .digits import Digits
from .hold_out import HoldOut

__all__ = ['Digits', 'HoldOut']
