"""A pruned model as an ONNX file, checked against PyTorch."""

import os
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from ..errors import ConfigError, ExportError, first_line
from ..files import atomic_file, file_beside
from .decode import Decoded, add_nms, nms_options
from .models import Plain
from .outputs import output_names

_PACKAGES = ('onnx', 'onnxscript', 'onnxruntime')
_OPSET = 18
_BATCHES = (1, 3)  # checked; the export itself sees a batch of two


@dataclass
class Difference:
    """How far an export is from PyTorch.

    Attributes:
        output: Name of the output.
        shape: Its shape at the largest batch checked.
        largest: Largest absolute difference.
        scale: Largest absolute value that PyTorch gave.
    """

    output: str
    shape: tuple[int, ...]
    largest: float
    scale: float


def missing_packages() -> list[str]:
    """What an export needs and is not installed."""
    return [name for name in _PACKAGES if find_spec(name) is None]


def open_session(
    file: str | os.PathLike | bytes, threads: int = 0, profile: str | None = None
) -> Any:
    """An onnxruntime session on the CPU.

    Args:
        file: An ONNX file, or its content.
        threads: Threads of an operator; 0 takes onnxruntime's default.
        profile: Folder for a file of what each kernel took.
    """
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    if profile is not None:
        options.enable_profiling = True
        options.profile_file_prefix = os.path.join(profile, 'kernels')
    return onnxruntime.InferenceSession(
        file if isinstance(file, bytes) else str(file),
        options,
        providers=['CPUExecutionProvider'],
    )


def runs_on(session: Any, image: Tensor) -> Callable[[], list]:
    """What runs a session on an image."""
    feed = {session.get_inputs()[0].name: image.numpy()}
    return lambda: session.run(None, feed)


def export_onnx(
    model: nn.Module,
    path: str,
    input_shape: Sequence[int],
    tolerance: float = 1e-4,
    program: str | None = None,
    decode: bool = False,
    nms: bool = False,
) -> list[Difference]:
    """Write a model as ONNX with a dynamic batch size, and check it.

    The file appears only once onnxruntime gives what PyTorch gives.

    Args:
        model (nn.Module): In eval mode, on the CPU.
        path (str): File to write.
        input_shape (Sequence[int]): Channels, height and width.
        tolerance (float): Largest difference allowed, relative to the
            largest value of an output (or absolute, if that is below 1).
        program (str, optional): Also write what ``torch.export`` gave, a
            ``.pt2`` file.
        decode (bool): A detector's boxes and scores in place of the maps of
            its head; see :mod:`mmdmcp.deploy.decode`.
        nms (bool): With ``decode``, also choose among the boxes.

    Returns:
        list[Difference]: One an output, over batches of 1 and 3.

    Raises:
        ExportError: If the export fails or computes something else.
        ConfigError: If a package that is needed is missing.
    """
    missing = missing_packages()
    if missing:
        raise ConfigError(
            f'{", ".join(missing)} is not installed: pip install '
            f'{" ".join(missing)} (or mmdmcp[onnx])'
        )
    plain: Any = Decoded(model, input_shape) if decode else Plain(model)
    limits = nms_options(model) if decode and nms else None
    exported = export_program(plain.eval(), input_shape)
    if decode:
        names = plain.output_names()
    else:
        with torch.no_grad():
            outputs = plain.outputs(torch.rand(1, *input_shape))
        names = output_names(model, outputs)
    target = Path(path)
    with ExitStack() as stack:
        with _written(path):
            target.parent.mkdir(parents=True, exist_ok=True)
            partial = Path(stack.enter_context(file_beside(target)).name)
        try:
            torch.onnx.export(
                exported,
                f=str(partial),
                input_names=['image'],
                output_names=names,
                opset_version=_OPSET,
                external_data=False,
                verbose=False,
            )
        except Exception as error:
            raise ExportError(
                f"{path}: the model can't be written as ONNX "
                f'({type(error).__name__}: {first_line(error)})'
            ) from error
        tidy(partial)
        found = compare(plain, partial, input_shape)
        # Written so that a difference of NaN is bad, too.
        bad = [d for d in found if not d.largest <= tolerance * max(1, d.scale)]
        if bad:
            raise ExportError(
                f'{path}: not written, onnxruntime differs from PyTorch: '
                + ', '.join(
                    f'{d.output} by {d.largest:.3g} (values up to {d.scale:.3g})'
                    for d in bad
                )
                + f'; allowed is {tolerance:g}'
            )
        if limits is not None:
            add_nms(partial, limits)
        with _written(path):
            os.replace(partial, target)
    if program is not None:
        with _written(program), atomic_file(program) as file:
            torch.export.save(exported, file)
    return found


def tidy(path: Path) -> None:
    """Call the batch size ``batch``, and leave out what tools stumble over.

    torch names it ``s77`` and lists the shapes of the weights among those of
    the feature maps; onnxruntime's dynamic quantisation turns weights round
    and then finds that they have another shape.

    Args:
        path: An ONNX file; changed in place.
    """
    import onnx

    model = onnx.load(path)
    graph = model.graph
    batch = graph.input[0].type.tensor_type.shape.dim[0].dim_param
    for value in (*graph.input, *graph.output, *graph.value_info):
        for dim in value.type.tensor_type.shape.dim:
            if dim.dim_param:  # 's77', or what is computed from it: '4*s77'
                dim.dim_param = re.sub(rf'\b{batch}\b', 'batch', dim.dim_param)
    weights = {weight.name for weight in graph.initializer}
    shapes = [value for value in graph.value_info if value.name not in weights]
    del graph.value_info[:]
    graph.value_info.extend(shapes)
    onnx.save(model, path)


@contextmanager
def _written(path: str) -> Iterator[None]:
    """Says which file can't be written."""
    try:
        yield
    except OSError as error:
        raise ExportError(
            f"{path} can't be written ({error.strerror}): name a file that can"
        ) from error


def export_program(
    plain: nn.Module, input_shape: Sequence[int]
) -> torch.export.ExportedProgram:
    """The model as a ``torch.export`` program with a dynamic batch size.

    Raises:
        ExportError: If ``torch.export`` can't follow it.
    """
    image = torch.rand(2, *input_shape)
    batch = torch.export.Dim('batch', min=1)
    try:
        with torch.no_grad():
            return torch.export.export(plain, (image,), dynamic_shapes=({0: batch},))
    except Exception as error:
        raise ExportError(
            "torch.export can't follow the model "
            f'({type(error).__name__}: {first_line(error)})'
        ) from error


@torch.no_grad()
def compare(
    plain: nn.Module, path: Path, input_shape: Sequence[int]
) -> list[Difference]:
    """Run a file in onnxruntime and the model in PyTorch, same images."""
    session = open_session(path)
    generator = torch.Generator().manual_seed(0)
    found: list[Difference] = []
    for batch in _BATCHES:
        image = torch.randn(batch, *input_shape, generator=generator)
        ours = plain(image)
        theirs = runs_on(session, image)()
        for i, (a, b) in enumerate(zip(ours, theirs)):
            now = _difference(session.get_outputs()[i].name, a, torch.from_numpy(b))
            if len(found) <= i:
                found.append(now)
            else:
                now.largest = max(now.largest, found[i].largest)
                now.scale = max(now.scale, found[i].scale)
                found[i] = now
    return found


def _difference(name: str, ours: Tensor, theirs: Tensor) -> Difference:
    if ours.shape != theirs.shape:
        raise ExportError(
            f'{name}: PyTorch gives {list(ours.shape)}, '
            f'onnxruntime {list(theirs.shape)}'
        )
    return Difference(
        name,
        tuple(ours.shape),
        float((ours - theirs).abs().max()),
        float(ours.abs().max()),
    )
