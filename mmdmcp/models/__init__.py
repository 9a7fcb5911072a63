"""Models: the CIFAR ResNet and static pruned networks."""
from .resnet_cifar import ResNetCifar

__all__ = ['ResNetCifar']
