"""Models: the CIFAR ResNet and static pruned networks."""

from .distilled import DistilledModel
from .fit import FittedModel
from .pruned import PrunedBackbone, PrunedModel
from .resnet_cifar import ResNetCifar
from .torchvision import TorchvisionClassifier

__all__ = [
    'DistilledModel',
    'FittedModel',
    'PrunedBackbone',
    'PrunedModel',
    'ResNetCifar',
    'TorchvisionClassifier',
]
