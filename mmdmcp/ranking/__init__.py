"""How important each channel is, and which ones a budget keeps. Pure torch."""

from .normalise import NORMALISATIONS, normalise
from .scores import CRITERIA, channel_scores, channel_sizes
from .select import choose_channels, choose_open, open_mask, width_steps
from .taylor import taylor_saliency

__all__ = [
    'CRITERIA',
    'NORMALISATIONS',
    'channel_scores',
    'channel_sizes',
    'choose_channels',
    'choose_open',
    'normalise',
    'open_mask',
    'taylor_saliency',
    'width_steps',
]
