"""What a choice of widths costs: closed form, differentiable, exact.

One FLOP, in the papers and here, is one multiply-accumulate (MAC) of a
convolution or linear layer; biases, normalisation, activation and pooling
are not counted. A layer with I inputs, O outputs, g groups and a kernel of
K positions, applied at P positions, costs ``P * K * I / g * O`` MACs and
``K * I / g * O + O`` parameters (with bias). I and O are linear in the
units' widths, so the whole network is two matrix products.
"""

import copy
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from ..ops import Layout


@dataclass(frozen=True)
class LayerCost:
    """What one layer contributes.

    Attributes:
        name: Name of the layer.
        in_layout: Inputs that each output is computed from, of all groups;
            a fixed layout of one entry for a depthwise convolution or a
            normalisation layer.
        out_layout: Outputs.
        groups: Groups of a grouped convolution, else 1.
        macs: MACs for one input and one output: kernel size x positions.
        weights: Parameters for one input and one output: kernel size.
        vectors: Parameters for one output: 1 with bias, 2 for an affine
            normalisation.
    """

    name: str
    in_layout: Layout
    out_layout: Layout
    groups: int = 1
    macs: int = 0
    weights: int = 0
    vectors: int = 0


class Table(Protocol):
    """An amount that was measured, as a function of the units' widths."""

    def __call__(self, widths: Tensor) -> Tensor:
        """Widths ``[..., units]`` to amounts, float64 ``[...]``."""

    def to(self, device: torch.device) -> 'Table':
        """The same on a device."""


class CostModel:
    """MACs and parameters of a model as functions of its units' widths.

    Args:
        layers: Every layer that has MACs or channels.
        num_units: Number of units.
        other_params: Parameters that never change.
        other_macs: Multiply-accumulates that never change, of operations
            that are no layers (attention, say).

    Attributes:
        tables (dict[str, Table]): What was measured of the network, by the
            names of measures.
    """

    def __init__(
        self,
        layers: Sequence[LayerCost],
        num_units: int,
        other_params: int = 0,
        other_macs: int = 0,
    ) -> None:
        self.layers: list[LayerCost] = list(layers)
        self.other_macs = other_macs
        self.other_params = other_params
        self.tables: dict[str, Table] = {}
        self._elsewhere: dict[torch.device, CostModel] = {}
        rows = [
            (*x.in_layout.linear(num_units), *x.out_layout.linear(num_units))
            for x in self.layers
        ]
        groups = torch.tensor([x.groups for x in self.layers]).double()
        # [layers, units] and [layers]: inputs a group, outputs
        self._in = torch.stack([r[0] for r in rows]) / groups[:, None]
        self._in_const = torch.tensor([r[1] for r in rows]).double() / groups
        self._out = torch.stack([r[2] for r in rows])
        self._out_const = torch.tensor([r[3] for r in rows]).double()
        self._macs, self._weights, self._vectors = (
            torch.tensor([getattr(x, key) for x in self.layers]).double()
            for key in ('macs', 'weights', 'vectors')
        )

    def to(self, device: torch.device) -> 'CostModel':
        """The same with its tables on a device, made once for each.

        This one stays where it is: exact costs are asked for on the host.
        """
        if device == self._in.device:
            return self
        if device not in self._elsewhere:
            copied = copy.copy(self)
            for key, value in vars(self).items():
                if isinstance(value, Tensor):
                    setattr(copied, key, value.to(device))
            copied.tables = {k: table.to(device) for k, table in self.tables.items()}
            self._elsewhere[device] = copied
        return self._elsewhere[device]

    def exact(self, widths: Sequence[int]) -> dict[str, int]:
        """Every measure that is known of the network, by name, and what its parts
        cost: ``{'macs': int, 'params': int}``, at whole widths, one per unit."""
        from .measures import MEASURES  # which are written for this class

        whole = torch.tensor(widths)
        amounts = {
            name: measure.value(self, whole)
            for name, measure in MEASURES.items()
            if measure.known(self)
        }
        for name, table in self.tables.items():
            if name not in amounts:
                amounts[name] = table(whole)
        return {name: round(float(amount)) for name, amount in amounts.items()}

    def makers(self) -> list[int]:
        """How many layers make the channels of each unit: convolutions and linear
        layers that combine channels, not depthwise ones. At least 1."""
        combine = (self._in.sum(dim=1) > 0) | (self._in_const > 1)
        makes = (self._out > 0) & (combine & (self._macs > 0))[:, None]
        return makes.sum(dim=0).clamp(min=1).tolist()

    def _inputs_outputs(self, widths: Tensor):
        """Inputs a group and outputs of every layer, ``[..., layers]``
        each."""
        widths = widths.to(self._in)
        return (
            widths @ self._in.T + self._in_const,
            widths @ self._out.T + self._out_const,
        )

    def layer_macs(self, widths: Tensor) -> Tensor:
        """MACs of each layer, ``[..., layers]`` float64."""
        inputs, outputs = self._inputs_outputs(widths)
        return self._macs * inputs * outputs

    def macs(self, widths: Tensor) -> Tensor:
        """MACs of the whole model for one sample.

        With expected widths this is the expected cost of the DMCP paper:
        inputs and outputs both carry gradient. With integer widths it is
        exact (up to 2**53).

        Args:
            widths: Width of each unit, ``[..., units]``, of any type.

        Returns:
            Float64 tensor ``[...]``.
        """
        return self.layer_macs(widths).sum(-1) + self.other_macs

    def params(self, widths: Tensor) -> Tensor:
        """Parameters of the whole model, float64 ``[...]``."""
        inputs, outputs = self._inputs_outputs(widths)
        return (self._weights * inputs * outputs + self._vectors * outputs).sum(
            -1
        ) + self.other_params
