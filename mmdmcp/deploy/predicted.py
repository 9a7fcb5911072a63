"""What a profile predicts for a pair of networks, beside what is measured."""

import warnings
from collections.abc import Mapping, Sequence

import torch
from torch import nn

from ..errors import ProfileError
from ..latency import Conditions, Profile, attach
from ..subnet import Subnet
from ..supernet import Supernet
from .timing import Runtime

#: Seconds a batch of the full and the pruned network, by their names.
Predicted = Mapping[str, float]


def predict(
    profile: Profile, full: nn.Module, subnet: Subnet, input_shape: Sequence[int]
) -> Predicted:
    """What a profile predicts.

    Args:
        profile: Of the full network.
        full: The full network, in eval mode; a copy is traced.
        subnet: The pruned one.
        input_shape: Channels, height and width.

    Raises:
        ProfileError: If it is of another network or input size.
    """
    supernet = Supernet(full.cpu(), tuple(input_shape))
    attach(supernet.cost, len(supernet.units), input_shape, profile)
    widths = [
        subnet.units[unit.name].channels if unit.name in subnet.units else size
        for unit, size in zip(supernet.units, supernet.full)
    ]
    table = supernet.cost.tables['latency_us']
    rows = torch.tensor([supernet.full, widths])
    before, after = (table(rows) / 1e6).tolist()
    return dict(full=before, pruned=after)


def require_same(profile: Profile, device: str, batch: int, threads: int) -> None:
    """A profile that was measured as it is measured now.

    Raises:
        ProfileError: If the device, the batch or the threads are others.
    """
    there, here = (
        profile.conditions,
        Runtime(profile.conditions.runtime, device, threads),
    )
    ours = (here.device.type, batch, threads)
    for name, now, then in zip(
        ('--device', '--batch', '--threads'),
        ours,
        (there.device, there.batch, there.threads),
    ):
        if now != then and (name, here.device.type) != ('--threads', 'cuda'):
            raise ProfileError(
                f'{profile.path} was measured with {name} {then}, not {now}: take '
                f'{name} {then}, or another profile'
            )
    _warn_of_versions(there, here.versions)


def _warn_of_versions(there: Conditions, here: Mapping[str, str]) -> None:
    for package, version in here.items():
        if there.versions.get(package) != version:
            warnings.warn(
                f'the profile was measured with {package} '
                f'{there.versions.get(package)}, here is {version}: it may be off',
                stacklevel=2,
            )
