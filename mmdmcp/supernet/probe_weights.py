"""Weights with which all that a model computes shows in its output."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from ..layers import BATCH_NORMS


@contextmanager
def probe_weights(
    model: nn.Module, run: Callable[[], object], seed: int = 0
) -> Iterator[None]:
    """Scales, shifts and statistics as if trained inside; as they were after.

    A new model may end a branch in zero (the scale of its last norm, a layer
    scale), and behind norms that have seen no data the signal dies out with
    depth: what goes wrong in there could not be told from rounding. Inside,
    no vector is zero, nothing is constant, and batch norms have the
    statistics of one sample. Other weights stay as they are.

    Args:
        model: The model, in eval mode.
        run: Runs one sample.
        seed: Of what is drawn; other weights than those of 0 are larger, or
            smaller. Defaults to 0.
    """
    changed = [p for p in model.parameters() if _is_vector(p) or _is_even(p)]
    kept = [(t, t.detach().clone()) for t in (*changed, *model.buffers())]
    try:
        generator = torch.Generator().manual_seed(seed)
        with torch.no_grad():
            for parameter in changed:
                value = _like_trained(parameter, generator)
                parameter.copy_(value * (1.0, 4.0, 0.25)[seed % 3])
            _take_statistics(model, run)
        yield
    finally:
        with torch.no_grad():
            for tensor, value in kept:
                tensor.copy_(value)


def _is_vector(parameter: Tensor) -> bool:
    """One number a channel, or a single one."""
    return parameter.numel() == max(parameter.shape, default=1)


def _is_even(parameter: Tensor) -> bool:
    """The same number everywhere, such as zero."""
    return bool((parameter == parameter.flatten()[0]).all())


def _like_trained(parameter: Tensor, generator: torch.Generator) -> Tensor:
    """Random values; a vector's keep their signs where they have one, since
    some must be positive."""
    shape = parameter.shape
    if not _is_vector(parameter):
        return torch.randn(shape, generator=generator) / parameter[0].numel() ** 0.5
    coin = torch.randint(2, shape, generator=generator) * 2.0 - 1
    sign = torch.where(parameter.cpu() == 0, coin, parameter.cpu().sign())
    return sign * (0.5 + torch.rand(shape, generator=generator))


def _take_statistics(model: nn.Module, run: Callable[[], object]) -> None:
    """Give every batch norm the statistics of what it meets.

    One mean and one variance for all of its channels: in one sample, a
    channel on its own may be a single number.
    """
    taken: dict[nn.Module, tuple[Tensor, Tensor]] = {}

    def take(norm: Any, inputs: tuple) -> None:
        if norm.running_mean is not None:
            taken[norm] = inputs[0].mean(), inputs[0].var(unbiased=False)
            set_(norm, *taken[norm])

    def set_(norm: Any, mean: Tensor, var: Tensor) -> None:
        norm.running_mean.fill_(mean)
        norm.running_var.fill_(var)

    hooks = [
        module.register_forward_pre_hook(take)
        for module in model.modules()
        if isinstance(module, BATCH_NORMS)
    ]
    try:
        run()
    finally:
        for hook in hooks:
            hook.remove()
    for norm, statistics in taken.items():  # a run undoes what is written in it
        set_(norm, *statistics)
