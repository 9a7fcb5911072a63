"""A rank that trains one network in both layouts: weights after three steps."""

import copy
import sys

import torch
from common.ranks import join, leave
from mmengine.model import MMDistributedDataParallel
from torch import nn

from mmdmcp.engine import ChannelsLastDistributed, ChannelsLastHook
from mmdmcp.errors import ConfigError


class Refused:
    """What the hook is given of a runner."""

    def __init__(self, model: nn.Module) -> None:
        self.model = model


def trained(wrapped: nn.Module, rank: int) -> torch.Tensor:
    optimiser = torch.optim.SGD(wrapped.parameters(), 0.1)
    generator = torch.Generator().manual_seed(rank)
    for _ in range(3):
        images = torch.randn(4, 3, 8, 8, generator=generator)
        optimiser.zero_grad()
        wrapped(images).square().mean().backward()
        optimiser.step()
    return torch.cat([p.detach().flatten() for p in wrapped.parameters()])


def main() -> None:
    rank, _ = join()
    torch.manual_seed(0)
    net = nn.Sequential(
        nn.Conv2d(3, 8, 3),
        nn.BatchNorm2d(8),
        nn.ReLU(),
        nn.Conv2d(8, 8, 3),
        nn.Flatten(),
        nn.Linear(128, 3),
    )
    plain = MMDistributedDataParallel(copy.deepcopy(net))
    turned = ChannelsLastDistributed(net)
    hook = ChannelsLastHook()
    hook.before_run(Refused(turned))
    try:
        hook.before_run(Refused(plain))
        message = ''
    except ConfigError as error:
        message = str(error)
    result = dict(
        layout=net[3].weight.is_contiguous(memory_format=torch.channels_last),
        plain=trained(plain, rank),
        turned=trained(turned, rank),
        message=message,
    )
    leave(sys.argv[1], rank, result)


if __name__ == '__main__':
    main()
