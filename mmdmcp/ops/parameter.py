"""A parameter that no layer of torch owns, at any width."""

from collections.abc import Sequence

import torch
from torch import nn
from torch.utils.hooks import RemovableHandle

from ..layers import BareParameter, kind_of
from .layout import Layout, Selection
from .sliced import SlicedLayer, partial_ranges
from .weight_slice import WeightSlice


class SlicedParameter:
    """Hides a parameter behind its first channels, or behind any.

    The slice stays in place until the next choice, so a forward pass that
    is computed again (activation checkpointing) meets it too. One that is a
    copy is taken anew whenever the parameter's module runs: an optimiser, or
    what swaps averaged weights in, changes the parameter alone.

    Args:
        name: Full name of the parameter, ``backbone.stages.0.0.gamma``.
        layout: Layout of its channels.
    """

    def __init__(self, name: str, layout: Layout) -> None:
        self.name = name
        self.kind = BareParameter()
        self.in_layout = self.out_layout = layout
        self._owner, _, self._attribute = name.rpartition('.')
        self._kept: WeightSlice | None = None
        self._hook: RemovableHandle | None = None

    def attach(self, model: nn.Module) -> None:
        """Work on the model's parameter of this name."""
        self._stop_taking()
        self.module = model.get_submodule(self._owner)
        self._leading = (None,) * self.kind.dim(self._parameter())

    def detach(self, model: nn.Module) -> None:
        """Show the whole parameter again, of a copy as well: all channels have
        been chosen before."""
        model.get_submodule(self._owner).__dict__.pop(self._attribute, None)

    def select(self, selections: Sequence[Selection]) -> None:
        """Choose the channels to run with."""
        self._stop_taking()
        channels = partial_ranges(self.out_layout, selections)
        if channels is None:
            self.module.__dict__.pop(self._attribute, None)
            return
        self._kept = WeightSlice(*self._leading, channels)
        self._take()
        if not self._kept.is_view:
            self._hook = self.module.register_forward_pre_hook(self._take)

    def _take(self, *_: object) -> None:
        """Hide the parameter behind what it is now."""
        assert self._kept is not None
        with torch.enable_grad():
            # One number per channel: small enough for autograd.
            part = self._kept.take(self._parameter())
        self.module.__dict__[self._attribute] = part

    def _stop_taking(self) -> None:
        if self._hook is not None:
            self._hook.remove()
            self._hook = None

    def _parameter(self) -> torch.Tensor:
        """The whole parameter."""
        parameter = self.module._parameters[self._attribute]
        assert parameter is not None  # it has been traced
        return parameter


def slice_layer(
    modules: dict[str, nn.Module], name: str, in_layout: Layout, out_layout: Layout
) -> SlicedLayer | SlicedParameter:
    """The sliced layer, or sliced parameter, of a name.

    Args:
        modules: Modules of the model by name.
        name: Full name of a layer or of a bare parameter.
        in_layout: Layout of its inputs.
        out_layout: Layout of its outputs.
    """
    if kind_of(modules.get(name)) is None:
        return SlicedParameter(name, out_layout)
    return SlicedLayer(name, modules[name], in_layout, out_layout)
