"""The full network, uniformly narrowed ones, and the space that is searched.

Modules have the names that they have in the shipped CIFAR-10 configs, so a
subnet file and its weights that come out of here are theirs.
"""

import itertools
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from mmengine.model import BaseModel
from torch import Tensor, nn

from mmdmcp.cost import count
from mmdmcp.models import ResNetCifar

#: Depths of the networks by name.
DEPTHS = {'resnet8': 8, 'resnet20': 20, 'resnet56': 56}
_STAGES = (16, 32, 64)
_IMAGE = torch.zeros(1, 3, 32, 32)


class CifarNet(BaseModel):
    """A CIFAR ResNet that classifies, trained with cross-entropy.

    Args:
        depth: 6n + 2.
        stages: Channels of the three stages.
    """

    def __init__(self, depth: int, stages: Sequence[int] = _STAGES) -> None:
        super().__init__()
        self.backbone = ResNetCifar(depth, base_channels=stages)
        self.head = nn.ModuleDict(dict(fc=nn.Linear(stages[-1], 10)))
        self.initialise()

    def initialise(self) -> None:
        """Random weights, for the widths that the layers have now."""
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode='fan_out')
            elif isinstance(module, (nn.BatchNorm2d, nn.Linear)):
                module.reset_parameters()

    def forward(
        self, inputs: Tensor, data_samples: Tensor | None = None, mode: str = 'tensor'
    ) -> Tensor | dict[str, Tensor]:
        """Logits ``[N, 10]``, or the loss of labels ``[N]``."""
        features = self.backbone(inputs)[-1].mean(dim=(2, 3))
        logits = self.head['fc'](features)
        if mode == 'loss':
            return dict(loss=F.cross_entropy(logits.float(), data_samples))
        return logits


class ResNetSpace:
    """The widths that DMCP chooses among: the shipped grid.

    Args:
        name: One of :data:`DEPTHS`.
    """

    tolerance = 0.01
    logits = 'head.fc'

    def __init__(self, name: str) -> None:
        self.name, self.depth = name, DEPTHS[name]
        self.full_macs = macs(self.model())

    def model(self) -> CifarNet:
        """The full network."""
        return CifarNet(self.depth)

    def mutator(self, options: dict) -> dict:
        """Config of the mutator."""
        return dict(type='mmdmcp.DMCPChannelMutator', **options)

    def uniform(self, share: float) -> CifarNet:
        """Every stage narrowed alike: of those within the tolerance of the
        target the one whose three ratios are nearest to each other."""
        near = [[int(c * share**0.5) + more for more in (0, 1)] for c in _STAGES]
        best = None
        for stages in itertools.product(*near):
            ratios = [c / full for c, full in zip(stages, _STAGES)]
            net = CifarNet(self.depth, stages)
            off = abs(macs(net) / (share * self.full_macs) - 1)
            # Outside the tolerance, the nearest cost counts.
            order = (max(off, self.tolerance), max(ratios) - min(ratios))
            if best is None or order < best[0]:
                best = order, stages
        assert best is not None
        return CifarNet(self.depth, best[1])


def macs(net: nn.Module) -> int:
    """Multiply-accumulates of an image of 32 pixels."""
    training = net.training
    net.eval()
    found = count(lambda: net(_IMAGE))
    net.train(training)
    return found
