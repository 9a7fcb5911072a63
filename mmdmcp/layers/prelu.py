"""Slopes of a PReLU."""

from torch import nn

from .kind import LayerKind


class PReLU(LayerKind):
    """One slope for each channel, or a single one."""

    types = (nn.PReLU,)
    noun = 'a PReLU'
    tensors = {'weight': ('out',)}
    sizes = {'num_parameters': 'out'}
    scalable = False
