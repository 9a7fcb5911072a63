"""Gradients that arrive in pieces and go on once."""

from collections.abc import Sequence

from torch import Tensor


class Leaves:
    """Copies of tensors, at which a backward pass stops.

    With activation checkpointing a backward pass comes by in pieces. It
    collects its gradients here, and the graph behind the tensors is walked
    once.

    Args:
        tensors: Computed from what is learned.

    Attributes:
        values (list[Tensor]): To compute with.
    """

    def __init__(self, tensors: Sequence[Tensor]) -> None:
        self._tensors = list(tensors)
        self.values = [t.detach().requires_grad_(t.requires_grad) for t in tensors]

    def gradients(self) -> list[tuple[Tensor, Tensor]]:
        """The tensors that the loss depends on, each with its gradient.

        One whose copy was not read has none and is left out.
        """
        return [
            (tensor, value.grad)
            for tensor, value in zip(self._tensors, self.values)
            if value.grad is not None
        ]
