"""How important each channel is, and which ones a budget keeps. Pure torch."""

from .divisor import check_divisor, fitting_multiple, resolve_divisor
from .normalise import NORMALISATIONS, normalise
from .scores import CRITERIA, channel_scores, channel_sizes
from .select import choose_channels, choose_open, open_mask, width_steps
from .taylor import taylor_saliency

__all__ = [
    'CRITERIA',
    'NORMALISATIONS',
    'channel_scores',
    'channel_sizes',
    'check_divisor',
    'choose_channels',
    'choose_open',
    'fitting_multiple',
    'normalise',
    'open_mask',
    'resolve_divisor',
    'taylor_saliency',
    'width_steps',
]
