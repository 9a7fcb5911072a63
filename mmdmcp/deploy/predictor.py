"""Predict with an exported file in place of the network it came from."""

import os
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._pytree import tree_flatten, tree_unflatten

from ..errors import ConfigError
from .decode import BOXES, SCORES
from .onnx import open_session


class OnnxPredictor(nn.Module):
    """A model whose heads' outputs come from an ONNX file.

    Everything around the network that the file does not do (normalisation,
    decoding, non-maximum suppression, resizing) is the PyTorch model's own, so
    that metrics differ from its only by what the file computes.

    Args:
        model: A classifier, a segmentor or a one-stage detector of an
            OpenMMLab package, in eval mode, on the CPU.
        path: The file, as :func:`~mmdmcp.deploy.onnx.export_onnx` writes it.
        threads: Threads of onnxruntime; 0 takes its default.

    Raises:
        ConfigError: If it is a model of another task.
    """

    def __init__(
        self, model: nn.Module, path: str | os.PathLike, threads: int = 0
    ) -> None:
        super().__init__()
        self.model: Any = model
        self._predict = _post_processing(model)
        self._session = open_session(path, threads)
        self._input = self._session.get_inputs()[0].name
        self._names = [output.name for output in self._session.get_outputs()]
        self._structure: Any = None

    @torch.no_grad()
    def val_step(self, data: Any) -> list:
        """Predictions for a batch of the validation data."""
        data = self.model.data_preprocessor(data, False)
        image = data['inputs']
        found = self._session.run(None, {self._input: image.numpy()})
        if self._names[:2] == [BOXES, SCORES]:
            tensors = map(torch.from_numpy, found)
            return choose_boxes(self.model, data['data_samples'], *tensors)
        if self._structure is None:
            self._structure = tree_flatten(self.model(image[:1]))[1]
        outputs = tree_unflatten([torch.from_numpy(x) for x in found], self._structure)
        return self._predict(outputs, data['data_samples'])


def choose_boxes(
    model: Any,
    samples: list,
    boxes: Tensor,
    scores: Tensor,
    selected: Tensor | None = None,
) -> list:
    """Predictions of a detector from what a decoded file gives.

    Args:
        model: The detector.
        samples: Of the batch; the boxes are scaled to their images.
        boxes: ``[N, A, 4]``.
        scores: ``[N, A, classes]``.
        selected: ``[K, 3]``, if the file has chosen already.
    """
    from mmengine.structures import InstanceData

    head = model.bbox_head
    options = head.test_cfg
    if selected is None:
        image, row, label = (scores > options.get('score_thr', 0.0)).nonzero().T
    else:
        image, label, row = selected.T
    found = []
    for number, sample in enumerate(samples):
        rows, labels = row[image == number], label[image == number]
        results = InstanceData(
            bboxes=boxes[number, rows],
            scores=scores[number, rows, labels],
            labels=labels,
        )
        results = head._bbox_post_process(
            results,
            options,
            rescale=True,
            with_nms=selected is None,
            img_meta=sample.metainfo,
        )
        if selected is not None:
            results = results[results.scores.argsort(descending=True)]
            results = results[: options.get('max_per_img', len(results))]
        found.append(results)
    return model.add_pred_to_datasample(samples, found)


def _post_processing(model: Any) -> Callable[[Any, list], list]:
    """What turns the outputs of a model's heads into its predictions."""
    head: Any = getattr(model, 'head', None)
    if hasattr(head, '_get_predictions'):  # mmpretrain
        return head._get_predictions
    head = getattr(model, 'decode_head', None)
    if hasattr(head, 'predict_by_feat'):  # mmseg

        def segment(outputs: Any, samples: list) -> list:
            metas = [sample.metainfo for sample in samples]
            return model.postprocess_result(
                head.predict_by_feat(outputs, metas), samples
            )

        return segment
    head = getattr(model, 'bbox_head', None)
    if hasattr(head, 'predict_by_feat'):  # mmdet

        def detect(outputs: Any, samples: list) -> list:
            metas = [sample.metainfo for sample in samples]
            found = head.predict_by_feat(*outputs, batch_img_metas=metas, rescale=True)
            return model.add_pred_to_datasample(samples, found)

        return detect
    if hasattr(model, '_predict'):  # mmdmcp.TorchvisionClassifier
        return model._predict
    raise ConfigError(
        f'a {type(model).__name__} is no classifier, segmentor or one-stage '
        'detector: its file can be exported, but not evaluated here'
    )
