"""Data parallelism for searches."""

from collections.abc import Iterable
from typing import Any

import torch
from mmengine.dist import all_reduce_params, broadcast, get_world_size
from mmengine.optim import OptimWrapperDict
from torch import nn

from ..layers import BATCH_NORMS
from ..registry import MODEL_WRAPPERS


@MODEL_WRAPPERS.register_module()
class SearchDistributed(nn.Module):
    """Wraps an algorithm for data-parallel search on any device.

    A search iteration runs four networks or more and its slices bypass the
    hooks by which ``DistributedDataParallel`` learns of gradients. The
    algorithm therefore averages finished gradients itself, once an
    iteration (:func:`~mmdmcp.methods.finish`), and this wrapper only makes
    all ranks start alike. Ranks may use different parameters, with or
    without ``find_unused_parameters``.

    Args:
        module: The algorithm, on its device.
    """

    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        self.module: Any = module
        if get_world_size() > 1:
            for tensor in module.state_dict(keep_vars=True).values():
                if isinstance(tensor, torch.Tensor):
                    broadcast(tensor.data)

    def forward(self, *args, **kwargs):
        """Forward of the algorithm."""
        return self.module(*args, **kwargs)

    def train_step(
        self, data: dict | tuple | list, optim_wrapper: OptimWrapperDict
    ) -> dict[str, torch.Tensor]:
        """One search iteration."""
        return self.module.train_step(data, optim_wrapper=optim_wrapper)

    def val_step(self, data: dict | tuple | list) -> list:
        """Predictions at the current widths."""
        return self.module.val_step(data)

    def test_step(self, data: dict | tuple | list) -> list:
        """Predictions at the current widths."""
        return self.module.test_step(data)


@torch.no_grad()
def average(tensors: Iterable[torch.Tensor]) -> None:
    """Average floating-point tensors over all ranks, in place.

    In one bucket a dtype: once an iteration for all gradients, however many
    networks were run in it.
    """
    if get_world_size() > 1:
        all_reduce_params(list(tensors), coalesce=True, op='mean')


@torch.no_grad()
def average_gradients(parameters: Iterable[torch.Tensor]) -> None:
    """Average the gradients of an iteration over all ranks, in place.

    A gradient that only other ranks have counts as zero here, as when
    blocks are dropped at random; one that no rank has stays None.
    """
    trainable = [p for p in parameters if p.requires_grad]
    if get_world_size() == 1 or not trainable:
        return
    # Whether a parameter has one travels with the gradients.
    used = torch.tensor(
        [float(p.grad is not None) for p in trainable], device=trainable[0].device
    )
    gradients = [torch.zeros_like(p) if p.grad is None else p.grad for p in trainable]
    average([*gradients, used])
    if any(p.grad is None for p in trainable):
        for parameter, gradient, share in zip(trainable, gradients, used.tolist()):
            if share > 0:
                parameter.grad = gradient


@torch.no_grad()
def average_statistics(model: nn.Module) -> None:
    """Average the running statistics of batch norms over all ranks."""
    norms = [
        m
        for m in model.modules()
        if isinstance(m, BATCH_NORMS) and m.running_mean is not None
    ]
    average(b for n in norms for b in (n.running_mean, n.running_var) if b is not None)
