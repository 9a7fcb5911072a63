"""Data parallelism for searches."""
from typing import Dict, Iterable, Union

import torch
from mmengine.dist import all_reduce_params, get_world_size
from mmengine.optim import OptimWrapperDict
from torch import nn

from ..registry import MODEL_WRAPPERS


@MODEL_WRAPPERS.register_module()
class SearchDistributed(nn.Module):
    """Wraps an algorithm for data-parallel search on any device.

    A search iteration runs four networks or more and its slices bypass the
    hooks by which ``DistributedDataParallel`` learns of gradients. The
    algorithm therefore averages finished gradients itself, once an
    iteration (:func:`~mmdmcp.engine.finish`), and this wrapper only makes
    all ranks start alike.

    Args:
        module: The algorithm, on its device.
    """

    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        self.module = module
        if get_world_size() > 1:
            from mmengine.dist import broadcast
            for tensor in module.state_dict(keep_vars=True).values():
                if isinstance(tensor, torch.Tensor):
                    broadcast(tensor.data)

    def forward(self, *args, **kwargs):
        """Forward of the algorithm."""
        return self.module(*args, **kwargs)

    def train_step(self, data: Union[dict, tuple, list],
                   optim_wrapper: OptimWrapperDict) -> Dict[str, torch.Tensor]:
        """One search iteration."""
        return self.module.train_step(data, optim_wrapper=optim_wrapper)

    def val_step(self, data: Union[dict, tuple, list]) -> list:
        """Predictions at the current widths."""
        return self.module.val_step(data)

    def test_step(self, data: Union[dict, tuple, list]) -> list:
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
