"""What becomes of a pruned network: conversion, ONNX, latency."""
from .models import ModelPair, load_pair

__all__ = ['ModelPair', 'load_pair']
