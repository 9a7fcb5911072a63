"""What a network takes on a device: measured layers, any widths.

A profile is made by ``mmdmcp profile`` (:mod:`mmdmcp.deploy.profile`); here
it is read and becomes one more table of a network's cost.
"""

from .attach import attach
from .profile import BlockTimes, Conditions, NetworkTime, Profile, Rest
from .table import LatencyTable

__all__ = [
    'BlockTimes',
    'Conditions',
    'LatencyTable',
    'NetworkTime',
    'Profile',
    'Rest',
    'attach',
]
