"""Read, write and match checkpoints; find one to go on from."""

from .match import Fit, compare, initialisers, is_pretrained
from .read import read_checkpoint, read_weights, weights_of, write_weights

__all__ = [
    'Fit',
    'compare',
    'initialisers',
    'is_pretrained',
    'read_checkpoint',
    'read_weights',
    'weights_of',
    'write_weights',
]
