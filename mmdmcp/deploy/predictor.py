"""Predict with an exported file in place of the network it came from."""

import os
from collections.abc import Callable
from typing import Any

import torch
from torch import nn
from torch.utils._pytree import tree_flatten, tree_unflatten

from ..errors import ConfigError


class OnnxPredictor(nn.Module):
    """A model whose heads' outputs come from an ONNX file.

    Everything around the network (normalisation, decoding, non-maximum
    suppression, resizing) is the PyTorch model's own, so that metrics differ
    from its only by what the file computes.

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
        import onnxruntime

        super().__init__()
        self.model: Any = model
        self._predict = _post_processing(model)
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        self._session = onnxruntime.InferenceSession(
            str(path), options, providers=['CPUExecutionProvider']
        )
        self._input = self._session.get_inputs()[0].name
        self._structure: Any = None

    @torch.no_grad()
    def val_step(self, data: Any) -> list:
        """Predictions for a batch of the validation data."""
        data = self.model.data_preprocessor(data, False)
        image = data['inputs']
        if self._structure is None:
            self._structure = tree_flatten(self.model(image[:1]))[1]
        found = self._session.run(None, {self._input: image.numpy()})
        outputs = tree_unflatten([torch.from_numpy(x) for x in found], self._structure)
        return self._predict(outputs, data['data_samples'])


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
