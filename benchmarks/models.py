"""The networks that are measured, a batch for them, and their optimiser."""

from dataclasses import dataclass

import torch
from mmengine.optim import AmpOptimWrapper, OptimWrapper
from mmpretrain.structures import DataSample
from torch import nn

from mmdmcp.engine.amp import CPUAmpOptimWrapper
from mmdmcp.registry import MODELS

_BACKBONES: dict[str, tuple] = {
    'resnet18': (512, dict(type='ResNet', depth=18)),
    'resnet50': (2048, dict(type='ResNet', depth=50)),
    'mobilenetv2': (1280, dict(type='MobileNetV2')),
    'mobilenetv3': (960, dict(type='MobileNetV3', arch='large')),
    'efficientnet': (1280, dict(type='EfficientNet', arch='b0')),
    'densenet121': (1024, dict(type='DenseNet', arch='121')),
    'resnext50': (2048, dict(type='ResNeXt', depth=50)),
}
#: What a command line can ask for.
NAMES = tuple(_BACKBONES)


def config(name: str) -> dict:
    """Config of a classifier of a thousand classes."""
    channels, backbone = _BACKBONES[name]
    return dict(
        type='mmpretrain.ImageClassifier',
        backbone=dict(backbone, type='mmpretrain.' + backbone['type']),
        neck=dict(type='mmpretrain.GlobalAveragePooling'),
        head=dict(
            type='mmpretrain.LinearClsHead',
            num_classes=1000,
            in_channels=channels,
            loss=dict(type='mmpretrain.CrossEntropyLoss'),
        ),
    )


@dataclass(frozen=True)
class Setting:
    """How everything runs that is compared.

    Attributes:
        device: Where.
        channels_last: Layout of images, feature maps and weights.
        amp: Whether in mixed precision: bfloat16 on a CPU, else float16.
    """

    device: str = 'cpu'
    channels_last: bool = False
    amp: bool = False

    @property
    def layout(self) -> torch.memory_format:
        """Torch's name for the layout."""
        return torch.channels_last if self.channels_last else torch.contiguous_format

    def build(self, name: str) -> nn.Module:
        """The full static network, in training mode."""
        model = MODELS.build(config(name))
        return model.to(self.device, memory_format=self.layout).train()

    def batch(self, size: int, count: int) -> dict:
        """A batch as a data loader gives it, on the device."""
        generator = torch.Generator().manual_seed(0)
        images = torch.randn(count, 3, size, size, generator=generator)
        return dict(
            inputs=images.to(self.device, memory_format=self.layout),
            data_samples=[
                DataSample().set_gt_label(i % 1000).to(self.device)
                for i in range(count)
            ],
        )

    def optimiser(self, model: nn.Module) -> OptimWrapper:
        """SGD as ImageNet trainings use it."""
        return self.wrapper(
            torch.optim.SGD(model.parameters(), 1e-3, momentum=0.9, weight_decay=1e-4)
        )

    def wrapper(self, optimiser: torch.optim.Optimizer) -> OptimWrapper:
        """An optimiser in this precision."""
        if not self.amp:
            return OptimWrapper(optimiser)
        kind = CPUAmpOptimWrapper if self.device == 'cpu' else AmpOptimWrapper
        return kind(optimizer=optimiser)

    def precision(self) -> torch.autocast:
        """What to run a network in that has no optimiser of its own."""
        dtype = torch.bfloat16 if self.device == 'cpu' else torch.float16
        return torch.autocast(self.device, dtype=dtype, enabled=self.amp)
