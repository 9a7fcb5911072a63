"""Follow every channel through one forward pass.

Layers are met as modules: what goes in is read, what comes out is new.
Everything between them is met as torch's primitive operations, and done to
the channel numbers as well: an operation that moves data (view, permute,
cat, ...) moves the numbers the same way, an elementwise one joins what
meets. What is not known can't change its channels, and says so.
"""

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from ..ops import NORMS, SLICEABLE, is_depthwise
from .classes import FIXED, NONE, ChannelClasses, joined
from .labels import along, constant, equal_parts, profile, varying
from .operations import NumberedTensors


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
        self.inputs: dict[str, Tensor] = {}
        self.outputs: dict[str, Tensor] = {}
        self._tensors = NumberedTensors(
            self.classes,
            self._first_look,
            lambda: self._stack[-1] if self._stack else '',
            lambda tensor: self._names.get(id(tensor)),
        )
        self._inside_layer = False
        self._stack: list[str] = []  # names of the modules that are running
        self._model = model
        self._names = {
            id(tensor): name
            for name, tensor in (*model.named_parameters(), *model.named_buffers())
        }
        self._bare: dict[int, tuple[str, Tensor]] = {}
        self._owned: dict[int, str] = {}
        self._used_outside: dict[str, None] = {}
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

    def follow(self, run: Callable[[], object]) -> None:
        """Run once and number everything.

        Args:
            run: Runs one sample through the model and returns its output.
        """
        for name, module in self._modules.items():
            module.forward = self._watch(name, module)
        handles = [
            handle
            for name, module in self._model.named_modules()
            for handle in self._note_running(name, module)
        ]
        try:
            with torch.no_grad(), self:
                output = run()
        finally:
            for handle in handles:
                handle.remove()
            for module in self._modules.values():
                del module.forward
        for leaf in tree_leaves(output):
            if isinstance(leaf, Tensor):
                self._tensors.fix(leaf, "its channels are the model's output")
        outside = {
            name: f'the weights of {name} are used outside its forward'
            for name in self._used_outside
        }
        for name, reason in {**outside, **_unusual(self._modules)}.items():
            for side in (self.inputs, self.outputs):
                if name in side:
                    self.classes.fix(side[name], reason)
        del self._model, self._names
        del self._tensors  # every tensor of the pass is alive in it

    def _note_running(self, name: str, module: nn.Module) -> tuple:
        """Hooks that keep the names of the modules that are running."""
        return (
            module.register_forward_pre_hook(lambda *_: self._stack.append(name)),
            module.register_forward_hook(
                lambda *_: self._stack.remove(name), always_call=True
            ),
        )

    def _watch(self, name: str, module: nn.Module):
        """The layer's forward, with its channels noted."""
        plain = type(module).forward

        def forward(*args, **kwargs):
            if self._inside_layer:  # a layer inside a layer's forward
                return plain(module, *args, **kwargs)
            self._inside_layer = True
            try:
                out = plain(module, *args, **kwargs)
                self._layer(
                    name, module, args[0] if args else next(iter(kwargs.values())), out
                )
            finally:
                self._inside_layer = False
            return out

        return forward

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

    # ---- layers ------------------------------------------------------

    def _layer(self, name: str, module: nn.Module, x: Tensor, out: Tensor) -> None:
        labels = self._tensors.get(x)
        if isinstance(module, NORMS):
            dim = self._norm_dim(module, labels)
            channels = profile(self.classes, labels, dim, name)
            if isinstance(module, nn.GroupNorm):
                channels = equal_parts(self.classes, channels, module.num_groups, name)
            self._note(self.inputs, name, channels)
            self._note(self.outputs, name, channels)
            self._tensors.set(out, along(channels, dim, out.shape))
            return
        # The channels of a convolution come before its positions.
        dim = -1 if isinstance(module, nn.Linear) else -1 - len(module.kernel_size)
        channels = profile(self.classes, labels, dim, name)
        if is_depthwise(module):
            made = channels
        else:
            groups = getattr(module, 'groups', 1)
            channels = equal_parts(self.classes, channels, groups, name)
            made = self.outputs.get(name)
            if made is None:
                made = self.classes.new(out.size(dim))
                made = equal_parts(self.classes, made, groups, name)
        self._note(self.inputs, name, channels)
        self._note(self.outputs, name, made)
        self._tensors.set(out, along(made, dim, out.shape))

    def _note(self, side: dict[str, Tensor], name: str, channels: Tensor) -> None:
        """Note a side of a layer; another call must agree with the first."""
        if name in side:
            self.classes.join(side[name], channels, name)
            # What meets nothing in one call is fixed in the other.
            for a, b in ((side[name], channels), (channels, side[name])):
                self.classes.fix(a[(b == NONE) | (b == FIXED)], joined(name))
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
        memory = None
        if args and isinstance(args[0], Tensor) and args[0].layout == torch.strided:
            x = args[0]
            memory = x.shape, x.stride(), x.storage_offset()
        out = func(*args, **kwargs)
        if not self._inside_layer:
            self._tensors.operate(func, args, kwargs, out, memory)
        return out


def _unusual(modules: dict[str, nn.Module]) -> dict[str, str]:
    """Layers whose weight and bias are not theirs alone, or not all they
    have, each with the reason to leave it whole."""
    reasons, owners = {}, {}
    for name, module in modules.items():
        for key, parameter in module._parameters.items():
            if parameter is None:
                continue
            first = owners.setdefault(id(parameter), name)
            if first != name:
                reasons[first] = reasons[name] = f'{first} and {name} share a parameter'
            if key not in ('weight', 'bias'):
                reasons[name] = f'{name} has a parameter beside weight and bias: {key}'
    return reasons
