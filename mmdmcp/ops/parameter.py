"""A parameter that no layer of torch owns, at any width.

Layer scale, the two vectors of a global response norm, the slopes of a
PReLU: ``nn.Parameter`` of one number a channel, read by the module that
owns it.
"""

from collections.abc import Sequence

import torch
from torch import nn

from .cut import Cut, cut_parameter
from .layout import Layout, Selection
from .sliced import SlicedLayer, partial_ranges


class SlicedParameter:
    """Hides a parameter behind its first channels.

    The slice stays in place until the next choice, so a forward pass that
    is computed again (activation checkpointing) meets it too.

    Args:
        name: Full name of the parameter, ``backbone.stages.0.0.gamma``; the
            name of the layer where that is a layer of torch (PReLU).
        attribute: What the parameter is called in its owner.
        layout: Layout of its first dimension.
    """

    depthwise = False

    def __init__(self, name: str, attribute: str, layout: Layout) -> None:
        self.name = name
        self.attribute = attribute
        self.in_layout = self.out_layout = layout
        self.module: nn.Module | None = None

    def _owner(self, model: nn.Module) -> nn.Module:
        name = self.name
        if name.endswith('.' + self.attribute) or name == self.attribute:
            name = name[: -len(self.attribute)].rstrip('.')
        return model.get_submodule(name)

    def attach(self, model: nn.Module) -> None:
        """Work on the model's parameter of this name."""
        self.module = self._owner(model)

    def detach(self, model: nn.Module) -> None:
        """Show the whole parameter again."""
        self._owner(model).__dict__.pop(self.attribute, None)

    def select(self, selections: Sequence[Selection]) -> None:
        """Choose the channels to run with."""
        rows = partial_ranges(self.out_layout, selections)
        hidden = self.module.__dict__
        if rows is None:
            hidden.pop(self.attribute, None)
            return
        parameter = self.module._parameters[self.attribute]
        with torch.enable_grad():
            hidden[self.attribute] = cut_parameter(parameter, Cut(rows, None))


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
    if name not in modules:
        return SlicedParameter(name, name.rpartition('.')[2], out_layout)
    if isinstance(modules[name], nn.PReLU):
        return SlicedParameter(name, 'weight', out_layout)
    return SlicedLayer(name, modules[name], in_layout, out_layout)
