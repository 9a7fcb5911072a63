"""What the loss would lose with each weight, to first order. Pure torch."""

from collections.abc import Callable, Iterable
from typing import TypeVar

import torch
from torch import Tensor, nn

from ..errors import ConfigError
from ..modes import eval_mode

Batch = TypeVar('Batch')


def taylor_saliency(
    model: nn.Module, batches: Iterable[Batch], loss_of: Callable[[Batch], Tensor]
) -> dict[str, Tensor]:
    """|weight x gradient| of every parameter, averaged over batches.

    The gradient of a converged network is about zero on average over the
    data, but not on a batch: hence the mean of absolute values, not the
    absolute value of the mean. The model runs in eval mode: no statistic
    moves and nothing is dropped at random. Gradients and
    ``requires_grad`` are afterwards as they were; frozen parameters have a
    saliency, too.

    Args:
        model: The model.
        batches: Batches, as ``loss_of`` takes them.
        loss_of: Loss of a batch, a scalar; runs the model.

    Returns:
        By name of the parameter, in its shape; zero where the loss does not
        depend on it.

    Raises:
        ConfigError: If there is no batch, or the loss is no scalar that
            depends on the weights.
    """
    named = dict(model.named_parameters())
    before = {name: (p.grad, p.requires_grad) for name, p in named.items()}
    saliency = {name: torch.zeros_like(p) for name, p in named.items()}
    count = 0
    try:
        with eval_mode(model), torch.enable_grad():
            for parameter in named.values():
                parameter.requires_grad_(parameter.is_floating_point())
            for batch in batches:
                for parameter in named.values():
                    parameter.grad = None
                _backward(loss_of(batch))
                count += 1
                for name, parameter in named.items():
                    if parameter.grad is not None:
                        product = parameter.detach() * parameter.grad
                        saliency[name] += product.abs()
    finally:
        for name, parameter in named.items():
            parameter.grad = None
            parameter.requires_grad_(before[name][1])
            parameter.grad = before[name][0]
    if not count:
        raise ConfigError('batches: there is none to take gradients from')
    return {name: value / count for name, value in saliency.items()}


def _backward(loss: object) -> None:
    if not isinstance(loss, Tensor) or loss.numel() != 1 or not loss.requires_grad:
        raise ConfigError(
            'the loss must be one number that depends on the weights, not '
            f'{f"a tensor {tuple(loss.shape)}" if isinstance(loss, Tensor) else loss!r}'
        )
    loss.backward()
