"""Models: the CIFAR ResNet and static pruned networks."""

from .fit import FittedModel
from .pruned import PrunedBackbone, PrunedModel
from .resnet_cifar import ResNetCifar
from .torchvision import TorchvisionClassifier

__all__ = [
    'FittedModel',
    'PrunedBackbone',
    'PrunedModel',
    'ResNetCifar',
    'TorchvisionClassifier',
]
