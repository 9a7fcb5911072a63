"""Pruned networks retrained on CIFAR-10; see :mod:`.__main__`."""
