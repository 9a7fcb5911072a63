"""Any module as an architecture: a loss function takes the place of modes."""

from collections.abc import Callable, Mapping
from typing import Any

from mmengine.model import BaseDataPreprocessor, BaseModel
from torch import Tensor, nn

from ..errors import ConfigError

#: Loss of a model on a batch of any kind: a scalar, or scalars by name.
LossFn = Callable[[nn.Module, Any], Tensor | Mapping[str, Tensor]]


class AnyModule(BaseModel):
    """What algorithms call an architecture, for a module of plain PyTorch.

    Units and the small network are those of the module itself: their names
    know nothing of this class.

    Args:
        model: The module.
        loss_fn: Called with the module and a batch, which it is given as it
            came. Whatever a pass is for, this is what runs.
        input_shape: Of one sample, for messages and files.
        run: Runs the module on a sample.
    """

    def __init__(
        self,
        model: nn.Module,
        loss_fn: LossFn,
        input_shape: tuple[int, ...],
        run: Callable[[], object],
    ) -> None:
        super().__init__(_AsItIs())
        self.model = model
        self.loss_fn = loss_fn
        self.input_shape = input_shape
        self.run = run

    def forward(
        self, inputs: Any, data_samples: list | None = None, mode: str = 'tensor'
    ) -> dict[str, Tensor]:
        """Losses on a batch, by name.

        Raises:
            ConfigError: If the loss function returns something else.
        """
        loss = self.loss_fn(self.model, inputs)
        losses = loss if isinstance(loss, Mapping) else dict(loss=loss)
        for value in losses.values():
            if not isinstance(value, Tensor) or value.dim():
                what = (
                    f'a tensor of shape {list(value.shape)}'
                    if isinstance(value, Tensor)
                    else f'a {type(value).__name__}'
                )
                raise ConfigError(
                    f'loss_fn(model, batch) returned {what}: give a scalar tensor, '
                    'or a dict of them whose names contain "loss"'
                )
        return dict(losses)


class _AsItIs(BaseDataPreprocessor):
    """Hands a batch on as it came."""

    def forward(self, data: Any, training: bool = False) -> dict:
        """The batch, by the name that architectures know."""
        return dict(inputs=data)
