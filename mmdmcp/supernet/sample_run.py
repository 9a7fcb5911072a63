"""One sample through a model: what it costs, and all that depends on it.

The two differ where training runs what inference does not, an auxiliary
head, say: it costs nothing at inference, yet its inputs shrink with the
backbone.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves, tree_map

from ..errors import first_line
from ..modes import slow_attention, training_mode, unchanged
from .samples import forward_arguments, takes_losses

Run = Callable[[], object]
_SMALL = (96, 256)  # longest sides of images that are small
_OWN = frozenset(vars(nn.Module()))  # what torch keeps in every module
_PROPOSALS = 1000  # of a two-stage detector whose config does not say


class SampleRuns:
    """Runs random samples, each the same whenever it is asked for.

    The model is as it was after each: neither buffers nor attributes (an
    activation that a module keeps) change, nor does the random state.

    Args:
        model: A model of an OpenMMLab package, or any module that takes
            ``[1, *input_shape]``; in eval mode.
        input_shape: Channels, height and width.
        run: Runs one sample of a caller's own, in place of those.

    Attributes:
        untried (str | None): Why what training runs could not be tried.
        kept (list[Tensor]): What modules kept of the last run.
    """

    def __init__(
        self,
        model: nn.Module,
        input_shape: tuple[int, ...],
        run: Callable[[], object] | None = None,
    ) -> None:
        self.model = model
        self._own = run
        self.input_shape = tuple(input_shape)
        self.untried: str | None = None
        self.kept: list[Tensor] = []
        self._passes = [self._heads]

    # ---- runs --------------------------------------------------------

    def inference(self, seed: int = 0) -> object:
        """What inference runs.

        Two-stage detectors get as many boxes as their config proposes,
        always the same ones, so that shapes and costs don't depend on what
        is detected.
        """
        return self._run(self._forward, seed)

    def everything(self, seed: int = 0) -> object:
        """The same with every head, and what training runs beside them."""
        outputs, kept = [], []
        for part in self._passes:
            outputs.append(self._run(part, seed))
            kept += self.kept
        self.kept = kept
        return outputs

    def outputs(self, seed: int = 0) -> list:
        """The same without losses, which jump where a label is matched."""
        return [self._run(part, seed) for part in self._passes if part != self._losses]

    @contextmanager
    def small(self) -> Iterator[None]:
        """Inside, images are small if the model takes such: channels are the
        same at any size."""
        shape = self.input_shape
        for longest in _SMALL:
            if self._own is None and len(shape) == 3 and longest < max(shape[1:]):
                factor = longest / max(shape[1:])
                # Whole multiples of the usual strides.
                sides = (max(32, round(side * factor / 32) * 32) for side in shape[1:])
                self.input_shape = (shape[0], *sides)
                try:
                    self.outputs()
                    break
                except Exception:  # a layer that knows the size of its input
                    self.input_shape = shape
        try:
            yield
        finally:
            self.input_shape = shape

    def look_at_training(self) -> bool:
        """Let :meth:`everything` run in training mode as well, if that runs
        anything else.

        Returns:
            Whether it does. Where it fails (it needs labels), ``untried``
            says why.
        """
        with _Calls() as inference:
            self._run(self._heads, 0)
        try:
            with _Calls() as training:
                self._run(self._training, 0)
        except Exception as error:
            self.untried = first_line(error)
            return False
        if training.seen == inference.seen:
            return False
        self._passes.append(self._training)
        return True

    def look_at_losses(self) -> bool:
        """Let :meth:`everything` compute losses as well.

        Returns:
            Whether the model can do it; if not, ``untried`` says why.
        """
        if self._own is not None or not takes_losses(self.model):
            return False
        try:
            self._run(self._losses, 0)
        except Exception as error:
            self.untried = first_line(error)
            return False
        self._passes.append(self._losses)
        self.untried = None
        return True

    # ---- what they do ------------------------------------------------

    def _run(self, part: Callable[[Tensor], object], seed: int) -> object:
        before = {id(x) for x in _attributes(self.model)}
        with torch.random.fork_rng(devices=[]), unchanged(self.model):
            with slow_attention(), torch.no_grad():
                torch.manual_seed(seed)
                with self._own_inputs(seed):
                    output = part(self._image(seed))
            self.kept = [x for x in _attributes(self.model) if id(x) not in before]
        return output

    def _image(self, seed: int) -> Tensor:
        """Numbers from 0 to 1; for other seeds, of either sign and larger."""
        image = torch.rand(1, *self.input_shape)
        image = image if seed == 0 else (image - 0.5) * 2.0**seed
        like = next((p for p in self.model.parameters() if p.is_floating_point()), None)
        return image if like is None else image.to(like)

    @contextmanager
    def _own_inputs(self, seed: int) -> Iterator[None]:
        """Inputs of a caller's run are as precise as the model; those of
        other seeds than 0 are drawn in their shape."""
        if self._own is None:
            yield
            return
        like = next((p for p in self.model.parameters() if p.is_floating_point()), None)

        def cast(x: object) -> object:
            if like is None or not isinstance(x, Tensor) or not x.is_floating_point():
                return x
            return x.to(like) if seed == 0 else torch.randn(x.shape).to(like)

        handle = self.model.register_forward_pre_hook(
            lambda _, args, kwargs: tree_map(cast, (args, kwargs)), with_kwargs=True
        )
        try:
            yield
        finally:
            handle.remove()

    def _forward(self, image: Tensor) -> object:
        model = self.model
        if self._own is not None:
            return self._own()
        if _has(model, 'rpn_head') and _has(model, 'roi_head'):
            return _two_stage(model, image)
        return model(image, **forward_arguments(model, image))

    def _heads(self, image: Tensor) -> object:
        output = self._forward(image)
        if self._own is not None or not _has(self.model, 'auxiliary_head'):
            return output
        model: Any = self.model
        heads = model.auxiliary_head
        heads = heads if isinstance(heads, nn.ModuleList) else [heads]
        features = model.extract_feat(image)
        return output, [head(features) for head in heads]

    def _training(self, image: Tensor) -> object:
        with training_mode(self.model), _NoDropout():
            return self._heads(image)

    def _losses(self, image: Tensor) -> object:
        with training_mode(self.model), _NoDropout():
            return self.model(image, **forward_arguments(self.model, image, 'loss'))


class _Calls(TorchDispatchMode):
    """Notes operations and the shapes of what they make.

    Attributes:
        seen: In order, the name of each and its shapes.
    """

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[tuple] = []

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        out = func(*args, **(kwargs or {}))
        shapes = [x.shape for x in tree_leaves(out) if isinstance(x, Tensor)]
        self.seen.append((func, *shapes))
        return out


class _NoDropout(TorchFunctionMode):
    """Inside, no entry is dropped at random: two runs can be compared."""

    def __torch_function__(self, func, types, args=(), kwargs=None):
        kwargs = dict(kwargs or {})
        if func in _RANDOM:
            kwargs['training'] = False
        elif 'dropout_p' in kwargs:
            kwargs['dropout_p'] = 0.0
        return func(*args, **kwargs)


_RANDOM = {
    F.dropout,
    F.dropout1d,
    F.dropout2d,
    F.dropout3d,
    F.alpha_dropout,
    F.feature_alpha_dropout,
    F.rrelu,
}


def _attributes(model: nn.Module) -> list[Tensor]:
    """Tensors that are attributes of modules, or in lists and dicts that
    are, and neither parameters nor buffers."""
    return [
        leaf
        for module in model.modules()
        for name, value in vars(module).items()
        if name not in _OWN and isinstance(value, (Tensor, list, tuple, dict))
        for leaf in tree_leaves(value)
        if isinstance(leaf, Tensor)
    ]


def _has(model: nn.Module, part: str) -> bool:
    return isinstance(getattr(model, part, None), nn.Module)


def _two_stage(model: Any, image: Tensor) -> list:
    """Backbone, neck, proposals and the heads on fixed boxes."""
    options = (getattr(model, 'test_cfg', None) or {}).get('rpn') or {}
    rois = _boxes(options.get('max_per_img', _PROPOSALS), image)
    head = model.roi_head
    features = model.extract_feat(image)
    outputs = [model.rpn_head(features)]
    # A cascade has stages and names them first.
    for stage in (
        [(i,) for i in range(head.num_stages)] if hasattr(head, 'num_stages') else [()]
    ):
        outputs.append(head._bbox_forward(*stage, features, rois))
        if head.with_mask:
            outputs.append(head._mask_forward(*stage, features, rois))
    return outputs


def _boxes(count: int, image: Tensor) -> Tensor:
    """Random boxes ``[count, 5]`` of all sizes: image 0, x1, y1, x2, y2."""
    size = image.new_tensor([image.shape[-1], image.shape[-2]])
    corners = torch.rand(count, 2, 2).to(image) * size
    return torch.cat(
        [image.new_zeros(count, 1), corners.amin(dim=1), corners.amax(dim=1)], 1
    )
