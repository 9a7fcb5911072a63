"""Names for the outputs of an exported model."""

import inspect
from collections.abc import Iterator, Mapping
from typing import Any

from torch import Tensor, nn

#: Heads whose one output is a score for each class.
_CLASSIFIERS = ('head', 'decode_head')


def output_names(model: nn.Module, output: Any) -> list[str]:
    """A name for each tensor that a model returns, in their order.

    ``logits`` of a classifier or segmentor. A detector's head says what it
    returns by the arguments of its loss: ``cls_scores_0`` is the first level
    of ``cls_scores``. ``features_0`` of a backbone alone.

    Args:
        model: A model of an OpenMMLab package.
        output: What it returned in mode ``tensor``.
    """
    names: list[str] = []
    for name in _walk(output, _name(model, output)):
        while name in names:
            name += '_'
        names.append(name)
    return names


def _name(model: nn.Module, output: Any) -> str | list[str]:
    """What to call the output, or each part of it."""
    if isinstance(output, (list, tuple)):
        known = _loss_arguments(getattr(model, 'bbox_head', None))
        if len(known) == len(output):
            return known
        if len(output) == 1:
            return _name(model, output[0])
    heads = [name for name, _ in model.named_children() if name.endswith('head')]
    if any(name in _CLASSIFIERS for name in heads):
        return 'logits'
    return 'output' if heads else 'features'


def _loss_arguments(head: nn.Module | None) -> list[str]:
    """``cls_scores``, ``bbox_preds``, ...: what a head hands to its loss."""
    loss = getattr(head, 'loss_by_feat', None)
    if loss is None:
        return []
    names = list(inspect.signature(loss).parameters)
    labels = [i for i, name in enumerate(names) if name.startswith('batch_')]
    return names[: labels[0]] if labels else []


def _walk(value: Any, name: str | list[str]) -> Iterator[str]:
    """Names of the tensors inside, in the order of :class:`Plain`."""
    if isinstance(value, Tensor):
        yield name if isinstance(name, str) else name[0]
    elif isinstance(value, Mapping):
        for key, item in value.items():
            yield from _walk(item, str(key))
    elif isinstance(name, list):
        for part, item in zip(name, value):
            yield from _walk(item, part)
    elif len(value) == 1 and isinstance(value[0], Tensor):
        yield name
    else:
        for index, item in enumerate(value):
            yield from _walk(item, f'{name}_{index}')
