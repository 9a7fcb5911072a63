"""The networks that are measured, a batch for them, and their optimiser."""

import torch
from mmengine.optim import OptimWrapper
from mmpretrain.structures import DataSample
from torch import nn

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


def build(name: str, device: str = 'cpu') -> nn.Module:
    """The full static network, in training mode."""
    return MODELS.build(config(name)).to(device).train()


def batch(size: int, count: int, device: str = 'cpu') -> dict:
    """A batch as a data loader gives it, on the device."""
    generator = torch.Generator().manual_seed(0)
    return dict(
        inputs=torch.randn(count, 3, size, size, generator=generator).to(device),
        data_samples=[
            DataSample().set_gt_label(i % 1000).to(device) for i in range(count)
        ],
    )


def optimiser(model: nn.Module) -> OptimWrapper:
    """SGD as ImageNet trainings use it."""
    return OptimWrapper(
        torch.optim.SGD(model.parameters(), 1e-3, momentum=0.9, weight_decay=1e-4)
    )
