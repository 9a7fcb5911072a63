"""Mixed precision where there is no GPU."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from mmengine.optim import OptimWrapper
from torch import nn

from ..registry import OPTIM_WRAPPERS


@OPTIM_WRAPPERS.register_module()
class CPUAmpOptimWrapper(OptimWrapper):
    """Optimiser wrapper that runs the forward pass in bfloat16 on CPU.

    MMEngine's ``AmpOptimWrapper`` refuses to start without a GPU, because
    its gradient scaler needs one. bfloat16 has the range of float32, so no
    scaler is needed here.

    Args:
        **kwargs: Arguments of MMEngine's ``OptimWrapper``.
    """

    @contextmanager
    def optim_context(self, model: nn.Module) -> Iterator[None]:
        """Autocast, and no gradient synchronisation while accumulating."""
        with super().optim_context(model), torch.autocast('cpu', dtype=torch.bfloat16):
            yield

    def load_state_dict(self, state_dict: dict) -> None:
        """Load the state, also that of a run with a gradient scaler."""
        state_dict.pop('loss_scaler', None)
        super().load_state_dict(state_dict)
