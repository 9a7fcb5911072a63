"""Read, write and match checkpoints; find one to go on from."""

from .fetch import is_url
from .match import Fit, compare, initialisers, is_pretrained, require_fit, under
from .read import (
    DISTILLATION,
    ignore_distillation,
    read_checkpoint,
    read_weights,
    weights_of,
    write_weights,
)

__all__ = [
    'DISTILLATION',
    'Fit',
    'compare',
    'ignore_distillation',
    'initialisers',
    'is_pretrained',
    'is_url',
    'read_checkpoint',
    'read_weights',
    'require_fit',
    'under',
    'weights_of',
    'write_weights',
]
