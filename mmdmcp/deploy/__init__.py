"""What becomes of a pruned network: ONNX and latency."""

from .models import ModelPair, load_pair

__all__ = ['ModelPair', 'load_pair']
