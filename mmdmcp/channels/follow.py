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

from ..layers import BareParameter, kind_of, known_kind
from .classes import FIXED, NONE, ChannelClasses, joined
from .labels import channel_row, constant, equal_parts, vary_along, varying
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
        slid (dict[str, Tensor]): Labels of the channels that a layer slides
            over (ECA); it has no channels of its own.
    """

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.classes = ChannelClasses()
        self.inputs: dict[str, Tensor] = {}
        self.outputs: dict[str, Tensor] = {}
        self.slid: dict[str, Tensor] = {}
        self._tensors = NumberedTensors(
            self.classes,
            self._initial_labels,
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
            if kind_of(module) is not None
        }
        for name, module in self._modules.items():
            for parameter in module._parameters.values():
                if parameter is not None:
                    self._owned[id(parameter)] = name
        for name, parameter in model.named_parameters():
            if id(parameter) not in self._owned:
                self._bare[id(parameter)] = (name, parameter)

    # ---- one pass ----------------------------------------------------

    def follow(
        self, run: Callable[[], object], kept: Callable[[], list[Tensor]] = list
    ) -> None:
        """Run once and number everything.

        Args:
            run: Runs one sample through the model and returns its output.
            kept: What its modules keep of it. Where no layer reads that, it
                is an output, too (deep supervision).
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
        self._fix_unread(kept())
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

    def _fix_unread(self, kept: list[Tensor]) -> None:
        """Mark channels that are kept and that no layer reads."""
        read = {
            number
            for labels in self.inputs.values()
            for number in self.classes.find(labels).unique().tolist()
        }
        for tensor in kept:
            labels = self._tensors.get(tensor)
            if not read.intersection(labels.unique().tolist()):
                self.classes.fix(labels, 'a module keeps what is made of its channels')

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

    def _initial_labels(self, tensor: Tensor) -> Tensor:
        """Labels of something that no operation of this pass made."""
        if id(tensor) in self._bare:
            name, parameter = self._bare[id(tensor)]
            if parameter.numel() == max(parameter.shape, default=0) > 1:
                numbers = self.classes.new(parameter.numel())
                self.outputs[name] = numbers
                return vary_along(
                    numbers, BareParameter().dim(parameter), parameter.shape
                )
        if id(tensor) in self._owned:
            self._used_outside[self._owned[id(tensor)]] = None
        if tensor.numel() == 1:
            return constant(NONE, tensor.shape)
        return constant(FIXED, tensor.shape)

    # ---- layers ------------------------------------------------------

    def _layer(self, name: str, module: nn.Module, x: Tensor, out: Tensor) -> None:
        kind, labels = known_kind(module), self._tensors.get(x)
        reason = kind.keeps_whole(module)
        if reason is not None:
            self.classes.fix(labels, reason)
        slid = kind.sliding_dim(module, x, out, varying(labels))
        if slid is not None:
            self._slide(name, labels, slid, out)
            return
        if not kind.makes_channels and kind.size(module, 'out') == 1:
            # One number for all channels, which are none of its own.
            for side in (self.inputs, self.outputs):
                self._note(side, name, constant(NONE, (1,)))
            self._tensors.set(out, labels)
            return
        dim = kind.channel_dim(module, labels.shape, varying(labels))
        channels = channel_row(self.classes, labels, dim, name)
        if not kind.groups_follow:
            channels = equal_parts(self.classes, channels, kind.groups(module), name)
        if not kind.makes_channels:
            made = channels.repeat_interleave(out.size(dim) // len(channels))
        elif name in self.outputs:
            made = self.outputs[name]
        else:
            made = self.classes.new(out.size(dim))
            made = equal_parts(self.classes, made, kind.groups(module), name)
        self._note(self.inputs, name, channels)
        self._note(self.outputs, name, made)
        self._tensors.set(out, vary_along(made, dim, out.shape))

    def _slide(self, name: str, labels: Tensor, dim: int, out: Tensor) -> None:
        """A layer that has one channel slides over the channels."""
        channels = channel_row(self.classes, labels, dim, name)
        self.classes.mix(channels, name)
        self._note(self.slid, name, channels)
        for side in (self.inputs, self.outputs):
            self._note(side, name, constant(FIXED, (1,)))
        self._tensors.set(out, vary_along(channels, dim, out.shape))

    def _note(self, side: dict[str, Tensor], name: str, channels: Tensor) -> None:
        """Note a side of a layer; another call must agree with the first."""
        if name in side:
            self.classes.join(side[name], channels, name)
            # What meets nothing in one call is fixed in the other.
            for a, b in ((side[name], channels), (channels, side[name])):
                self.classes.fix(a[(b == NONE) | (b == FIXED)], joined(name))
        side[name] = channels

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
    """Layers whose parameters are not theirs alone, or not all that their
    kind knows, each with the reason to leave it whole."""
    reasons: dict[str, str] = {}
    owners: dict[int, str] = {}
    for name, module in modules.items():
        for key, parameter in module._parameters.items():
            if parameter is None:
                continue
            first = owners.setdefault(id(parameter), name)
            if first != name:
                reasons[first] = reasons[name] = f'{first} and {name} share a parameter'
            known = [t for t in known_kind(module).tensors if t not in module._buffers]
            if key not in known:
                reasons[name] = (
                    f'{name} has a parameter beside {" and ".join(known)}: {key}'
                )
    return reasons
