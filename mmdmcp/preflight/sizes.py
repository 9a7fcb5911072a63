"""What runs without a word and is not what was meant: sizes of images and heads.

A look at one sample of each data set tells, whatever its pipeline is made of.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from mmengine.config import Config
from mmengine.registry import DATASETS
from mmengine.runner import Runner

from ..engine import same_randomness
from ..walk import nodes, type_name

#: Images of another size than ``input_shape`` up to this ratio of pixels are
#: no mistake: many train on somewhat smaller crops than they test on.
_RATIO = 1.5


def size_notices(runner: Runner, model: Any) -> list[str]:
    """Compare a run's data with its model.

    Args:
        runner: The runner; its data sets are built if they are not yet.
        model: The config of its model.

    Returns:
        A notice for ``input_shape`` of a search that is not the images'
        size, and one for each head with more outputs than there are classes.
    """
    loops = (runner.train_loop, runner.val_loop)
    datasets = [loop.dataloader.dataset for loop in loops if loop is not None]
    algorithm = getattr(runner.model, 'module', runner.model)
    shape = getattr(algorithm, 'input_shape', None)
    notices = []
    if shape is not None:
        notices += _other_sizes(shape, [_image_size(data) for data in datasets])
    classes = _class_names(datasets[0])
    if classes:
        notices += _idle_outputs(model, len(classes))
    return notices


def config_notices(cfg: Config, shape: Sequence[int]) -> list[str]:
    """The same by the config alone, as far as it says: before there is data.

    Args:
        cfg: The config.
        shape: The model's ``input_shape``.
    """
    loader = cfg.get('train_dataloader') or cfg.get('val_dataloader') or {}
    dataset = _innermost(loader.get('dataset') or {})
    crop = _crop(dataset.get('pipeline') or [])
    notices = []
    if crop is not None:
        notices += _other_sizes(shape, [(shape[0], *crop)])
    with DATASETS.switch_scope_and_registry(
        cfg.get('default_scope') or 'mmengine'
    ) as registry:
        kind = dataset.get('of', dataset.get('type'))  # as HoldOut names it
        cls = registry.get(kind) if isinstance(kind, str) else kind
    classes = getattr(cls, 'METAINFO', {}).get('classes') or ()
    if isinstance(classes, (list, tuple)) and classes:
        notices += _idle_outputs(cfg.model, len(classes))
    return notices


def _innermost(dataset: Mapping) -> Mapping:
    """What wrappers (repeated, concatenated, ...) wrap; the first of several."""
    while True:
        inner = dataset.get('dataset') or (dataset.get('datasets') or [None])[0]
        if not isinstance(inner, Mapping):
            return dataset
        dataset = inner


def _crop(pipeline: Sequence[Any]) -> tuple[int, int] | None:
    """Height and width of what the last crop of a pipeline leaves."""
    for step in reversed(pipeline):
        if not isinstance(step, Mapping):
            continue
        if not type_name(step.get('type')).endswith('Crop'):
            continue
        size = step.get('crop_size', step.get('scale'))  # mmpretrain has both
        if isinstance(size, int):
            return size, size
        if (
            isinstance(size, (list, tuple))
            and len(size) == 2
            and all(isinstance(side, int) for side in size)
        ):
            return size[0], size[1]
        return None
    return None


def _other_sizes(shape: Sequence[int], found: list[Sequence[int] | None]) -> list[str]:
    """A notice if no data set has images of about this size."""
    sizes = [size for size in found if size is not None]
    if not sizes or any(
        max(a, b) <= _RATIO * min(a, b)
        for a, b in ((math.prod(size[1:]), math.prod(shape[1:])) for size in sizes)
    ):
        return []
    first, own = ('x'.join(map(str, size)) for size in (sizes[0], shape))
    return [
        f'model.input_shape={tuple(shape)}: costs and the target are counted for '
        f'images of {own}, but those of train_dataloader are {first}. Set it to '
        'the size that the network will run on'
    ]


def _image_size(dataset: Any) -> Sequence[int] | None:
    """Channels, height and width of the first image, or None: it is not a
    data set of images, or can't be read, which the training will say."""
    try:
        with same_randomness():
            image = dataset[0]['inputs']
        size = tuple(image.shape)
    except Exception:
        return None
    return size if len(size) == 3 else None


def _class_names(dataset: Any) -> Sequence[str]:
    """What OpenMMLab's data sets, and wrappers of them, say of themselves."""
    meta = getattr(dataset, 'metainfo', None)
    classes = meta.get('classes') if isinstance(meta, Mapping) else None
    return classes if isinstance(classes, (list, tuple)) else ()


def _idle_outputs(model: Any, classes: int) -> Iterator[str]:
    """A notice for each head with outputs that no label asks for.

    One more may be the background's.
    """
    for key, head in nodes(model, 'model'):
        outputs = head.get('num_classes')
        if (
            key.rstrip('.0123456789').endswith('head')  # one of a list, too
            and isinstance(outputs, int)
            and outputs > classes + 1
        ):
            yield (
                f'{key}.num_classes={outputs}, but train_dataloader has {classes} '
                f'classes: {outputs - classes} outputs are trained on nothing and '
                f'count in every cost. Set it to {classes}'
            )
