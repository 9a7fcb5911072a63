"""One sample through a model: what it costs, and all that depends on it.

The two differ where training runs a head that inference does not: a
segmentor's auxiliary head costs nothing at inference, yet its inputs shrink
with the backbone.
"""

from collections.abc import Callable

import torch
from torch import Tensor, nn

from .. import compat

Run = Callable[[], object]
_PROPOSALS = 1000  # of a two-stage detector whose config does not say


def demo_runs(model: nn.Module, input_shape: tuple[int, ...]) -> tuple[Run, Run]:
    """Functions that run one random sample, the same at every call.

    Args:
        model: A model of an OpenMMLab package, or any module that takes
            ``[1, *input_shape]``.
        input_shape: Channels, height and width.

    Returns:
        What inference runs, and that with every head. Two-stage detectors
        get as many boxes as their config proposes, always the same ones, so
        that shapes and costs don't depend on what is detected.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        if _has(model, 'rpn_head') and _has(model, 'roi_head'):
            run = _two_stage(model, torch.rand(1, *input_shape))
        else:
            run = _plain(model, input_shape)
        if not _has(model, 'auxiliary_head'):
            return run, run
        image = torch.rand(1, *input_shape)
    return run, lambda: (run(), _auxiliary(model, image))


def _has(model: nn.Module, part: str) -> bool:
    return isinstance(getattr(model, part, None), nn.Module)


def _plain(model: nn.Module, input_shape: tuple[int, ...]) -> Run:
    """The model's own forward, in mode ``tensor``."""
    compat.apply()
    from mmrazor.models.task_modules.demo_inputs import DefaultDemoInput

    data = DefaultDemoInput((1, *input_shape), False).get_data(model)
    if isinstance(data, dict):
        return lambda: model(**data)
    return lambda: model(data)


def _auxiliary(model: nn.Module, image: Tensor) -> list:
    """Outputs of a segmentor's auxiliary heads."""
    heads = model.auxiliary_head
    heads = heads if isinstance(heads, nn.ModuleList) else [heads]
    features = model.extract_feat(image)
    return [head(features) for head in heads]


def _two_stage(model: nn.Module, image: Tensor) -> Run:
    """Backbone, neck, proposals and the heads on fixed boxes."""
    options = (getattr(model, 'test_cfg', None) or {}).get('rpn') or {}
    rois = _boxes(options.get('max_per_img', _PROPOSALS), image)
    head = model.roi_head

    def run():
        features = model.extract_feat(image)
        outputs = [model.rpn_head(features)]
        # A cascade has stages and names them first.
        for stage in (
            [(i,) for i in range(head.num_stages)]
            if hasattr(head, 'num_stages')
            else [()]
        ):
            outputs.append(head._bbox_forward(*stage, features, rois))
            if head.with_mask:
                outputs.append(head._mask_forward(*stage, features, rois))
        return outputs

    return run


def _boxes(count: int, image: Tensor) -> Tensor:
    """Random boxes ``[count, 5]`` of all sizes: image 0, x1, y1, x2, y2."""
    size = image.new_tensor([image.shape[-1], image.shape[-2]])
    corners = torch.rand(count, 2, 2) * size
    return torch.cat(
        [torch.zeros(count, 1), corners.amin(dim=1), corners.amax(dim=1)], 1
    )
