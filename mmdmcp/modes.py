"""Modes of a model, and of torch, that end when they should."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import nn
from torch.nn.modules.batchnorm import _NormBase
from torch.nn.modules.dropout import _DropoutNd

_NOT_THE_SAME_TWICE = (_DropoutNd, _NormBase, nn.MultiheadAttention, nn.RReLU)


@contextmanager
def eval_mode(model: nn.Module) -> Iterator[None]:
    """The model is in eval mode inside, and as it was after.

    Every module gets its own mode back: frozen stages stay in eval mode.
    """
    modes = {module: module.training for module in model.modules()}
    model.eval()
    try:
        yield
    finally:
        for module, training in modes.items():
            module.training = training


@contextmanager
def training_mode(model: nn.Module) -> Iterator[None]:
    """The model is in training mode inside, but for layers that would draw
    numbers or take statistics; as it was after."""
    modes = {module: module.training for module in model.modules()}
    for module in modes:
        # Past train(), which some models override to stay as they are.
        module.training = not isinstance(module, _NOT_THE_SAME_TWICE)
    try:
        yield
    finally:
        for module, training in modes.items():
            module.training = training


@contextmanager
def unchanged(model: nn.Module) -> Iterator[None]:
    """What a forward pass writes to the model is undone: attributes of its
    modules (a kept activation, a counter) and buffers."""
    attributes = [(vars(module), dict(vars(module))) for module in model.modules()]
    lists = [
        (value, list(value))
        for found, _ in attributes
        for value in found.values()
        if isinstance(value, list)
    ]
    buffers = [(buffer, buffer.clone()) for buffer in model.buffers()]
    try:
        yield
    finally:
        for found, kept in attributes:
            found.clear()
            found.update(kept)
        for items, kept_items in lists:
            items[:] = kept_items
        with torch.no_grad():
            for buffer, value in buffers:
                buffer.copy_(value)


@contextmanager
def slow_attention() -> Iterator[None]:
    """Inside, torch's transformer layers run as what they are made of.

    Their fast path for inference reads the layers' weights past the layers,
    and is one operation that torch does not count.
    """
    enabled = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)
    try:
        yield
    finally:
        torch.backends.mha.set_fastpath_enabled(enabled)
