"""One sample as a model's package writes it: an image, and what is on it.

Models of OpenMMLab packages read sizes from a data sample, and labels where
they are asked for losses. Packages that are not known here get none.
"""

import inspect
from collections.abc import Callable

import torch
from torch import Tensor, nn


def forward_arguments(model: nn.Module, image: Tensor, mode: str = 'tensor') -> dict:
    """What to call a model with, beside the image.

    Args:
        model: Any module; those of OpenMMLab packages take ``data_samples``
            and ``mode``.
        image: ``[1, ...]``.
        mode: ``'tensor'`` or ``'loss'``.
    """
    taken = inspect.signature(model.forward).parameters
    arguments: dict[str, object] = {}
    if 'data_samples' in taken:
        arguments['data_samples'] = _data_samples(model, image)
    if 'mode' in taken:
        arguments['mode'] = mode
    return arguments


def takes_losses(model: nn.Module) -> bool:
    """Whether a model can be asked for its losses on such a sample."""
    taken = inspect.signature(model.forward).parameters
    return 'mode' in taken and _maker(model) is not None


def _data_samples(model: nn.Module, image: Tensor) -> list | None:
    maker = _maker(model)
    return None if maker is None else [maker(image)]


def _maker(model: nn.Module) -> Callable[[Tensor], object] | None:
    """By the package that the model's class comes from, or derives from."""
    for base in type(model).__mro__:
        maker = _MAKERS.get(base.__module__.partition('.')[0])
        if maker is not None:
            return maker
    return None


def _sizes(image: Tensor) -> dict[str, object]:
    size = tuple(image.shape[-2:])
    return dict(
        img_shape=size,
        ori_shape=size,
        pad_shape=size,
        batch_input_shape=size,
        scale_factor=(1.0, 1.0),
        padding_size=[0] * 4,
        border=[0, size[0], 0, size[1]],
    )


def _class(image: Tensor) -> object:
    from mmpretrain.structures import DataSample

    return DataSample(metainfo=_sizes(image)).set_gt_label(0)


def _segments(image: Tensor) -> object:
    from mmengine.structures import PixelData
    from mmseg.structures import SegDataSample

    sample = SegDataSample(metainfo=_sizes(image))
    labels = torch.zeros(1, *image.shape[-2:], dtype=torch.long, device=image.device)
    sample.gt_sem_seg = PixelData(data=labels)
    sample.gt_edge_map = PixelData(data=labels)
    return sample


def _boxes(image: Tensor) -> object:
    from mmdet.structures import DetDataSample
    from mmdet.structures.mask import BitmapMasks
    from mmengine.structures import InstanceData, PixelData

    height, width = image.shape[-2:]
    mask = torch.zeros(1, height, width, dtype=torch.uint8)
    mask[:, height // 4 : height // 2, width // 4 : width // 2] = 1
    box = image.new_tensor([[width // 4, height // 4, width // 2, height // 2]])
    label = torch.zeros(1, dtype=torch.long, device=image.device)
    sample = DetDataSample(metainfo=_sizes(image))
    sample.gt_instances = InstanceData(
        bboxes=box, labels=label, masks=BitmapMasks(mask.numpy(), height, width)
    )
    sample.ignored_instances = InstanceData(bboxes=box[:0], labels=label[:0])
    sample.gt_sem_seg = PixelData(sem_seg=mask.long().to(image.device))
    return sample


_MAKERS = {'mmpretrain': _class, 'mmseg': _segments, 'mmdet': _boxes}
