"""Boxes and scores in the graph: what a detector's head leaves to its host.

A one-stage detector of mmdet gives maps; its ``predict_by_feat`` makes boxes
of them, chooses some by score and suppresses those that overlap. The first
part is arithmetic on tensors of fixed sizes and goes into the graph here; the
last may follow as ONNX's own ``NonMaxSuppression``.
"""

import os
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from ..errors import ConfigError
from ..modes import eval_mode

BOXES, SCORES, SELECTED = 'boxes', 'scores', 'selected'
_MOST = 300  # boxes of a class, where the config names no max_per_img


class Decoded(nn.Module):
    """A one-stage detector as a function of an image batch alone.

    Args:
        model: A detector of mmdet: RTMDet, YOLOX, and those whose head
            decodes as mmdet's base class does (RetinaNet, FCOS, ATSS, SSD).
        input_shape: Channels, height and width of its images; the places
            that boxes are relative to depend on it.

    Raises:
        ConfigError: If it is no such detector.
    """

    def __init__(self, model: nn.Module, input_shape: Sequence[int]) -> None:
        super().__init__()
        head: Any = getattr(model, 'bbox_head', None)
        self._yolox = _is_yolox(head)
        if not (self._yolox or _decodes_as_mmdet(head)):
            raise ConfigError(
                f'a {type(model).__name__} can be exported, but its boxes not be '
                f'decoded in the graph: only those of one-stage detectors that '
                'decode as RTMDet, YOLOX, RetinaNet or FCOS do. Leave --decode out'
            )
        self.model: Any = model
        self._size = tuple(input_shape[1:])
        weight = next(model.parameters())
        with torch.no_grad(), eval_mode(model):
            maps = model(weight.new_zeros(1, *input_shape))[0]
        stride = dict(with_stride=True) if self._yolox else {}
        priors = head.prior_generator.grid_priors(
            [x.shape[-2:] for x in maps],
            dtype=weight.dtype,
            device=weight.device,
            **stride,
        )
        # Of this image size; they become a constant of the graph.
        self.register_buffer('priors', torch.cat(list(priors)), persistent=False)

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor]:
        """Decode what the head gives.

        Args:
            image: ``[N, C, H, W]``, normalised.

        Returns:
            Boxes ``[N, A, 4]`` as x1, y1, x2, y2 in pixels of the image, and
            a score from 0 to 1 for each class, ``[N, A, classes]``.
        """
        head = self.model.bbox_head
        classes, boxes, *factors = self.model(image)
        scores = _rows(classes, head.cls_out_channels)
        boxes = _rows(boxes, 4)
        if not head.use_sigmoid_cls:
            scores = scores.softmax(-1)[..., :-1]  # the last one is background
        else:
            scores = scores.sigmoid()
        if self._yolox:
            # Its boxes have one class each, the likeliest.
            best, label = scores.max(-1, keepdim=True)
            scores = torch.zeros_like(scores).scatter(-1, label, best)
        if factors:
            scores = scores * _rows(factors[0], 1).sigmoid()
        return self._decode(head, boxes), scores

    def _decode(self, head: Any, boxes: Tensor) -> Tensor:
        if self._yolox:
            return head._bbox_decode(self.priors, boxes)
        priors: Any = self.priors
        priors = priors.expand(boxes.shape[0], *priors.shape).flatten(0, 1)
        flat = head.bbox_coder.decode(priors, boxes.flatten(0, 1), max_shape=self._size)
        return flat.view(boxes.shape)

    def output_names(self) -> list[str]:
        """Of what :meth:`forward` returns."""
        return [BOXES, SCORES]


def _rows(maps: Sequence[Tensor], channels: int) -> Tensor:
    """Levels ``[N, anchors * channels, H, W]`` as ``[N, A, channels]``."""
    return torch.cat(
        [x.permute(0, 2, 3, 1).flatten(1).unflatten(1, (-1, channels)) for x in maps],
        dim=1,
    )


def _is_yolox(head: Any) -> bool:
    return any(kind.__name__ == 'YOLOXHead' for kind in type(head).__mro__)


def _decodes_as_mmdet(head: Any) -> bool:
    """Whether nothing of the base class's way is replaced."""
    bases = {kind.__name__: kind for kind in type(head).__mro__}
    base: Any = bases.get('BaseDenseHead')
    if base is None or getattr(head.bbox_coder, 'encode_size', 0) != 4:
        return False
    custom = getattr(getattr(head, 'loss_cls', None), 'custom_cls_channels', False)
    return not custom and all(
        getattr(type(head), name) is getattr(base, name)
        for name in ('predict_by_feat', '_predict_by_feat_single')
    )


def nms_options(model: Any) -> dict[str, float]:
    """What the config of a detector suppresses overlapping boxes by.

    Returns:
        ``iou_threshold``, ``score_thr``, ``max_per_img``.
    """
    options = model.bbox_head.test_cfg or {}
    nms = options.get('nms') or {}
    if nms.get('type', 'nms') != 'nms':
        raise ConfigError(
            f'test_cfg.nms.type={nms["type"]!r}: ONNX has plain non-maximum '
            "suppression alone. Leave --nms out, or set the type to 'nms'"
        )
    return dict(
        iou_threshold=float(nms.get('iou_threshold', 0.5)),
        score_thr=float(options.get('score_thr', 0.0)),
        max_per_img=int(options.get('max_per_img', _MOST)),
    )


def add_nms(path: str | os.PathLike, options: dict[str, float]) -> None:
    """Let a decoded file choose among its boxes, by ONNX's own operator.

    It gets a third output, ``selected`` ``[K, 3]`` int64: number of the image,
    class and row of the box, for each that is kept, of the whole batch.
    Classes don't suppress each other.

    Args:
        path: A file with ``boxes`` and ``scores``; changed in place.
        options: As :func:`nms_options` returns them; ``max_per_img`` holds
            for each class.
    """
    import onnx
    from onnx import TensorProto, helper

    model = onnx.load(path)
    graph = model.graph
    limits = [
        helper.make_tensor(
            'nms_most', TensorProto.INT64, [1], [options['max_per_img']]
        ),
        helper.make_tensor(
            'nms_iou', TensorProto.FLOAT, [1], [options['iou_threshold']]
        ),
        helper.make_tensor('nms_score', TensorProto.FLOAT, [1], [options['score_thr']]),
    ]
    graph.initializer.extend(limits)
    graph.node.extend(
        [
            helper.make_node('Transpose', [SCORES], ['nms_scores'], perm=[0, 2, 1]),
            helper.make_node(
                'NonMaxSuppression',
                [BOXES, 'nms_scores', *(limit.name for limit in limits)],
                [SELECTED],
            ),
        ]
    )
    graph.output.append(
        helper.make_tensor_value_info(SELECTED, TensorProto.INT64, ['kept', 3])
    )
    onnx.checker.check_model(model)
    onnx.save(model, path)
