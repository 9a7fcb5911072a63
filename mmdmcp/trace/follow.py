"""Follow every channel through one forward pass.

Layers are met as modules: what goes in is read, what comes out is new.
Everything between them is met as torch's primitive operations, and done to
the channel numbers as well: an operation that moves data (view, permute,
cat, ...) moves the numbers the same way, an elementwise one joins what
meets. What is not known can't change its channels, and says so.
"""
from typing import Dict, List, Tuple

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves, tree_map

from ..ops import CONVS, NORMS, SLICEABLE, is_depthwise
from .classes import FIXED, NONE, ChannelClasses
from .labels import (along, broadcast, compact, constant, equal_parts,
                     profile, varying)

_MOVES = set('view _unsafe_view reshape permute transpose t expand clone '
             'detach alias unsqueeze squeeze cat stack flip roll repeat slice '
             'select split split_with_sizes unbind lift lift_fresh _to_copy '
             '_reshape_alias'.split())
_SAME = {'clone', 'detach', 'alias', 'lift', 'lift_fresh', '_to_copy'}
_CUTS = {'slice', 'select', 'split', 'split_with_sizes', 'unbind'}
_VIEWS = {'view', '_unsafe_view', 'reshape', '_reshape_alias'}
_REDUCTIONS = set('mean sum amax amin max min var std var_mean norm '
                  'linalg_vector_norm logsumexp prod any all'.split())
_SPATIAL = set('max_pool2d_with_indices max_pool2d avg_pool2d avg_pool1d '
               '_adaptive_avg_pool2d adaptive_max_pool2d constant_pad_nd '
               'reflection_pad2d replication_pad2d upsample_nearest2d '
               'upsample_bilinear2d upsample_bicubic2d '
               '_upsample_nearest_exact2d'.split())
# Elementwise, but without torch's tag for it.
_POINTWISE = set('hardswish hardtanh_ hardswish_ leaky_relu leaky_relu_ '
                 'gelu_ _softmax _log_softmax native_dropout where '
                 '_prelu_kernel hardsigmoid_ hardtanh'.split())
_JOINED = 'its channels are joined with some that can\'t change'


class Follower(TorchDispatchMode):
    """Runs a model and numbers its channels.

    Args:
        model: The model; in eval mode, without gradients.

    Attributes:
        classes (ChannelClasses): Which channels are the same.
        inputs (dict[str, Tensor]): Labels of the inputs of each layer that
            was called, ``[channels]``.
        outputs (dict[str, Tensor]): Labels of its outputs. A bare parameter
            with channels (layer scale) has outputs only.
    """

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.classes = ChannelClasses()
        self.inputs: Dict[str, Tensor] = {}
        self.outputs: Dict[str, Tensor] = {}
        self._labels: Dict[int, Tensor] = {}
        self._alive: List[Tensor] = []
        self._inside_layer = False
        self._bare: Dict[int, Tuple[str, Tensor]] = {}
        self._owned: Dict[int, str] = {}
        self._used_outside: Dict[str, None] = {}
        self._modules = {
            name: module
            for name, module in model.named_modules()
            if isinstance(module, SLICEABLE)
        }
        for name, module in self._modules.items():
            for parameter in module._parameters.values():
                if parameter is not None:
                    self._owned[id(parameter)] = name
        for name, parameter in model.named_parameters():
            owner = name.rpartition('.')[0]
            if isinstance(model.get_submodule(owner), nn.PReLU):
                name = owner  # a layer of torch: the file names the layer
            if id(parameter) not in self._owned:
                self._bare[id(parameter)] = (name, parameter)

    # ---- one pass ----------------------------------------------------

    def follow(self, run) -> None:
        """Run once and number everything.

        Args:
            run: Runs one sample through the model and returns its output.
        """
        for name, module in self._modules.items():
            module.forward = self._watch(name, module)
        try:
            with torch.no_grad(), self:
                output = run()
        finally:
            for module in self._modules.values():
                del module.forward
        for leaf in tree_leaves(output):
            if isinstance(leaf, Tensor):
                self._fix(leaf, 'its channels are the model\'s output')
        for name in self._used_outside:
            reason = f'the weights of {name} are used outside its forward'
            for side in (self.inputs, self.outputs):
                if name in side:
                    self.classes.fix(side[name], reason)
        self._labels.clear()
        self._alive.clear()

    def _watch(self, name: str, module: nn.Module):
        """The layer's forward, with its channels noted."""
        plain = type(module).forward

        def forward(*args, **kwargs):
            if self._inside_layer:  # a layer inside a layer's forward
                return plain(module, *args, **kwargs)
            self._inside_layer = True
            try:
                out = plain(module, *args, **kwargs)
                self._layer(name, module, args[0] if args else
                            next(iter(kwargs.values())), out)
            finally:
                self._inside_layer = False
            return out

        return forward

    # ---- labels of a tensor ------------------------------------------

    def _get(self, tensor: Tensor) -> Tensor:
        found = self._labels.get(id(tensor))
        if found is not None:
            return found
        labels = self._first_look(tensor)
        self._set(tensor, labels)
        return labels

    def _first_look(self, tensor: Tensor) -> Tensor:
        """Labels of something that no operation of this pass made."""
        if id(tensor) in self._bare:
            name, parameter = self._bare[id(tensor)]
            if parameter.dim() and parameter.numel() == parameter.size(0) > 1:
                numbers = self.classes.new(parameter.size(0))
                self.outputs[name] = numbers
                return along(numbers, 0, parameter.shape)
        if id(tensor) in self._owned:
            self._used_outside[self._owned[id(tensor)]] = None
        if tensor.numel() == 1:
            return constant(NONE, tensor.shape)
        return constant(FIXED, tensor.shape)

    def _set(self, tensor: Tensor, labels: Tensor) -> None:
        self._labels[id(tensor)] = labels
        self._alive.append(tensor)  # no other tensor may get its id

    def _fix(self, tensor: Tensor, reason: str) -> None:
        self.classes.fix(self._get(tensor), reason)

    # ---- layers ------------------------------------------------------

    def _layer(self, name: str, module: nn.Module, x: Tensor,
               out: Tensor) -> None:
        labels = self.classes.find(self._get(x))
        if isinstance(module, NORMS):
            dim = self._norm_dim(module, labels)
            channels = profile(self.classes, labels, dim, _JOINED)
            if isinstance(module, nn.GroupNorm):
                channels = equal_parts(self.classes, channels,
                                       module.num_groups, _JOINED)
            self._note(self.inputs, name, channels)
            self._note(self.outputs, name, channels)
            self._set(out, along(channels, dim, out.shape))
            return
        dim = -1 if isinstance(module, nn.Linear) else \
            1 - len(module.kernel_size) - 2
        channels = profile(self.classes, labels, dim, _JOINED)
        if is_depthwise(module):
            made = channels
        else:
            groups = getattr(module, 'groups', 1)
            channels = equal_parts(self.classes, channels, groups, _JOINED)
            made = self.outputs.get(name)
            if made is None:
                made = self.classes.new(out.size(dim))
                made = equal_parts(self.classes, made, groups, _JOINED)
        self._note(self.inputs, name, channels)
        self._note(self.outputs, name, made)
        self._set(out, along(made, dim, out.shape))

    def _note(self, side: Dict[str, Tensor], name: str,
              channels: Tensor) -> None:
        """Note a side of a layer; another call must agree with the first."""
        if name in side:
            self.classes.join(side[name], channels, _JOINED)
            # What meets nothing in one call is fixed in the other.
            for a, b in ((side[name], channels), (channels, side[name])):
                self.classes.fix(a[(b == NONE) | (b == FIXED)], _JOINED)
        side[name] = channels

    def _norm_dim(self, module: nn.Module, labels: Tensor) -> int:
        """The dimension that a norm takes for its channels."""
        if not isinstance(module, nn.LayerNorm):
            return 1
        size = module.normalized_shape[-1]
        if len(module.normalized_shape) > 1:
            self.classes.fix(labels, 'a norm over whole maps knows its size')
        found = [d for d in varying(labels) if labels.size(d) == size]
        return found[0] if found else labels.dim() - 1

    # ---- operations between the layers -------------------------------

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        kwargs = kwargs or {}
        out = func(*args, **kwargs)
        if self._inside_layer:
            return out
        inputs = [
            x for x in tree_leaves((args, kwargs)) if isinstance(x, Tensor)
        ]
        outputs = [x for x in tree_leaves(out) if isinstance(x, Tensor)]
        if not inputs:  # made from nothing
            for made in outputs:
                self._set(made, constant(NONE, made.shape))
            return out
        name = func._overloadpacket.__name__
        shapes_known = all(x.shape == outputs[0].shape for x in outputs)
        if name in _MOVES:
            self._move(func, name, args, kwargs, out)
        elif name in _REDUCTIONS:
            self._reduce(name, _bind(func, args, kwargs), inputs[0], outputs)
        elif name in _SPATIAL:
            self._spatial(name, inputs[0], outputs)
        elif (name in _POINTWISE or torch.Tag.pointwise in func.tags) and \
                outputs and shapes_known:
            labels = broadcast(self.classes, [self._get(x) for x in inputs],
                               tuple(outputs[0].shape), _JOINED)
            for made in outputs:
                self._write(made, labels)
        else:
            self._unknown(name, inputs, outputs)
        return out

    def _write(self, tensor: Tensor, labels: Tensor) -> None:
        """Labels of a result, which may be one of the arguments."""
        before = self._labels.get(id(tensor))
        if before is not None and bool((before == NONE).any()):
            # Written into memory whose other views carry no number.
            self.classes.fix(labels, 'its channels are copied into a buffer')
        self._set(tensor, labels)

    def _unknown(self, name: str, inputs: List[Tensor],
                 outputs: List[Tensor]) -> None:
        for x in inputs:
            self._fix(x, f'its channels pass through the operation {name}')
        for made in outputs:
            self._set(made, constant(FIXED, made.shape))

    def _move(self, func, name: str, args: tuple, kwargs: dict,
              out: object) -> None:
        outputs = tree_leaves(out)
        if name in _SAME:
            moved = [self._swap(args[0])]
        elif name in _VIEWS:
            self._fit_view(args[0], outputs[0].shape)
            moved = [self._swap(args[0]).reshape(outputs[0].shape)]
        else:
            if name in _CUTS:
                self._fit_cut(args[0], _bind(func, args, kwargs), outputs)
            moved = tree_leaves(
                func(*tree_map(self._swap, args),
                     **tree_map(self._swap, kwargs)))
        for made, labels in zip(outputs, moved):
            self._set(made, compact(labels))

    def _swap(self, value: object) -> object:
        """The labels in place of a tensor."""
        return self.classes.find(self._get(value)) if isinstance(
            value, Tensor) else value

    def _fit_cut(self, x: Tensor, arguments: dict,
                 outputs: List[Tensor]) -> None:
        """Make the channels fit the pieces that a cut leaves."""
        dim = arguments.get('dim', 0) % x.dim()
        if dim not in varying(self._swap(x)):
            return
        piece = 1 if outputs[0].dim() < x.dim() else outputs[0].size(dim)
        start = arguments.get('start') or 0
        if start < 0:
            start += x.size(dim)
        if x.size(dim) % piece or start % piece or \
                arguments.get('step', 1) != 1 or any(
                    o.dim() == x.dim() and o.size(dim) != piece
                    for o in outputs):
            self._fix(x, 'the code cuts its channels at fixed places')
        else:
            self._fit(x, dim, piece)

    def _fit_view(self, x: Tensor, shape: torch.Size) -> None:
        """Make the channels fit the pieces that a view leaves."""
        for dim in varying(self._swap(x)):
            self._fit(x, dim, _innermost(x.shape, shape, dim))

    def _fit(self, x: Tensor, dim: int, piece: int) -> None:
        """Make all pieces of that size, along a dimension, alike."""
        labels, parts = self._swap(x), x.size(dim) // piece
        if parts == 1:
            return
        if len(varying(labels)) > 1:
            table = labels.unflatten(dim, (parts, piece))
            self.classes.join(table, table.narrow(dim, 0, 1), _JOINED)
            return
        row = profile(self.classes, labels, dim, _JOINED)
        row = equal_parts(self.classes, row, parts, _JOINED)
        self._labels[id(x)] = along(row, dim, x.shape)

    def _reduce(self, name: str, arguments: dict, x: Tensor,
                outputs: List[Tensor]) -> None:
        labels = self._swap(x)
        dims = arguments.get('dim')
        if dims is None or dims == []:
            dims = range(x.dim())
        dims = {d % x.dim() for d in ([dims] if isinstance(dims, int)
                                      else dims)}
        gone = set(varying(labels)) & dims
        if gone and gone != set(varying(labels)):
            self._unknown(name, [x], outputs)
            return
        kept = labels
        for dim in sorted(dims, reverse=True):
            kept = kept.narrow(dim, 0, 1)
            if not arguments.get('keepdim', False):
                kept = kept.squeeze(dim)
        for made in outputs:
            # A sum over all channels belongs to none of them.
            self._set(made, constant(NONE, made.shape) if gone else kept)

    def _spatial(self, name: str, x: Tensor, outputs: List[Tensor]) -> None:
        labels = self._swap(x)
        for dim in range(x.dim()):
            if dim not in varying(labels):
                labels = labels.narrow(dim, 0, 1)
        if all(x.size(d) == made.size(d) for made in outputs
               for d in varying(labels)):
            for made in outputs:
                self._set(made, labels.expand(made.shape))
        else:
            self._unknown(name, [x], outputs)


def _bind(func, args: tuple, kwargs: dict) -> dict:
    """Arguments of an operation by name."""
    names = [argument.name for argument in func._schema.arguments]
    return {**dict(zip(names, args)), **kwargs}


def _innermost(before: torch.Size, after: torch.Size, dim: int) -> int:
    """Size of the innermost piece that a view leaves of a dimension.

    The dimension's own size if it stays whole or is merged with others.
    """
    inner = 1
    for size in before[dim + 1:]:
        inner *= size
    # Walk the new shape from the right to the dimension's inner edge.
    count, index = 1, len(after) - 1
    while index > 0 and (count < inner or after[index] == 1):
        count *= after[index]
        index -= 1
    piece = after[index]
    return piece if count == inner and before[dim] % piece == 0 else \
        before[dim]
