"""Static int8 quantisation of an exported file by onnxruntime."""

import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import torch
from torch import nn

from ..errors import ConfigError, DataError, ExportError, first_line

#: Operators of ONNX that have weights.
_LAYERS = ('Conv', 'ConvTranspose', 'Gemm', 'MatMul')


def calibration_images(
    model: nn.Module, loader: Any, count: int, input_shape: Sequence[int]
) -> list[np.ndarray]:
    """Normalised images of a data loader, as the exported file takes them.

    Args:
        model: The model; its data preprocessor normalises.
        loader: Batches of the validation data.
        count: How many images; fewer if there are fewer.
        input_shape: Channels, height and width that the file was exported at.

    Returns:
        Arrays ``[N, C, H, W]`` float32.

    Raises:
        DataError: If there is no image.
    """
    preprocess: Any = model.data_preprocessor
    found: list[np.ndarray] = []
    for batch in loader:
        left = count - sum(len(x) for x in found)
        if left <= 0:
            break
        images = preprocess(batch, False)['inputs'][:left]
        if images.shape[1] != input_shape[0]:
            raise DataError(
                f'the validation images have {images.shape[1]} channels, the '
                f'file takes {input_shape[0]}'
            )
        found.append(images.numpy())
    if not found:
        raise DataError('no image to calibrate with: val_dataloader is empty')
    return found


def quantize(
    source: str | os.PathLike,
    target: str | os.PathLike,
    images: Sequence[np.ndarray],
    method: str = 'minmax',
) -> None:
    """Write a file whose convolutions and linear layers compute in int8.

    Activations have one scale per tensor, from calibration; weights one per
    output channel. Operations in between keep float32, marked by pairs of
    QuantizeLinear and DequantizeLinear (QDQ), which onnxruntime, TensorRT and
    OpenVINO fuse. What comes after the last layer that has weights stays as it
    is: a box in pixels has no use for 256 values.

    Args:
        source: The float32 file.
        target: File to write; appears when it is complete.
        images: Calibration images ``[N, C, H, W]``, normalised.
        method: ``'minmax'``, ``'entropy'`` or ``'percentile'``.

    Raises:
        ConfigError: If the method is unknown.
        ExportError: If onnxruntime can't quantise the file.
    """
    from onnxruntime import quantization as ort

    methods = dict(
        minmax=ort.CalibrationMethod.MinMax,
        entropy=ort.CalibrationMethod.Entropy,
        percentile=ort.CalibrationMethod.Percentile,
    )
    if method not in methods:
        raise ConfigError(f'method={method!r}: choose from {", ".join(methods)}')
    with TemporaryDirectory(dir=Path(target).absolute().parent) as folder:
        prepared, written = (Path(folder, name) for name in ('float.onnx', 'int8.onnx'))
        try:
            ort.shape_inference.quant_pre_process(
                str(source), str(prepared), skip_symbolic_shape=True
            )
            ort.quantize_static(
                str(prepared),
                str(written),
                _reader(prepared, images),
                quant_format=ort.QuantFormat.QDQ,
                per_channel=True,
                calibrate_method=methods[method],
                nodes_to_exclude=_after_the_last_layer(prepared),
            )
        except Exception as error:
            raise ExportError(
                f'{source}: onnxruntime cannot quantise it '
                f'({type(error).__name__}: {first_line(error)})'
            ) from error
        os.replace(written, target)


def _after_the_last_layer(path: Path) -> list[str]:
    """Names of the nodes whose results no layer with weights reads."""
    import onnx

    graph = onnx.load(path).graph
    weights = {weight.name for weight in graph.initializer}
    read: set[str] = set()  # by what comes before a layer
    rest = []
    for node in reversed(graph.node):
        layer = node.op_type in _LAYERS and any(x in weights for x in node.input)
        if layer or any(x in read for x in node.output):
            read.update(node.input)
        else:
            rest.append(node.name)
    return rest


def _reader(path: Path, images: Sequence[np.ndarray]) -> Any:
    """The images as onnxruntime's calibration asks for them."""
    import onnxruntime
    from onnxruntime.quantization import CalibrationDataReader

    name = onnxruntime.InferenceSession(str(path)).get_inputs()[0].name

    class Reader(CalibrationDataReader):
        def __init__(self) -> None:
            self._left: Iterator[np.ndarray] = iter(images)

        def get_next(self) -> dict[str, np.ndarray] | None:
            array = next(self._left, None)
            return None if array is None else {name: array}

    return Reader()


def largest_difference(
    path: str | os.PathLike, other: str | os.PathLike, images: Sequence[np.ndarray]
) -> float:
    """Largest difference of two files' outputs, in units of the largest value.

    Args:
        path: An exported file.
        other: Another form of it.
        images: Images ``[N, C, H, W]``.
    """
    import onnxruntime

    sessions = [onnxruntime.InferenceSession(str(x)) for x in (path, other)]
    worst = 0.0
    for array in images:
        a, b = (s.run(None, {s.get_inputs()[0].name: array}) for s in sessions)
        for ours, its in zip(a, b):
            scale = float(torch.from_numpy(ours).abs().max().clamp(min=1e-12))
            worst = max(worst, float(np.abs(ours - its).max()) / scale)
    return worst
