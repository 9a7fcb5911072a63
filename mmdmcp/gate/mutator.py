"""The gates of all units, and which channels the network runs with."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from ..cost import Budget
from ..methods import ChannelMutator, Choice, counts
from ..options import number, one_of, refuse_unknown
from ..ranking import channel_sizes, choose_open, open_mask
from ..registry import MODELS
from .gate import SHAPES, gate

Kept = tuple[int, ...]


@MODELS.register_module()
class GateChannelMutator(ChannelMutator):
    r"""Owns one gate per channel of every unit.

    Args:
        shape: Gradient shape g: ``'constant'``, ``'triangle'`` or
            ``'sigmoid'``; see :mod:`mmdmcp.gate.gate`.
        magnification: M of the gate function: while gates train, closed
            channels leak about 1 / (2 M) of their value.
        init: Where gates start. ``'importance'``: in proportion to the size
            that the channel has in the pretrained network, 1 on average
            over a unit. A positive number: all at that value.
        scope: Prefixes of the names of units to prune, such as
            ``['backbone']``; None prunes all that can be.
        exclude: Layers that keep their channels, by prefixes of their names
            or regular expressions of whole ones, such as ``[r'.*\.conv3']``.

    Attributes:
        gates (nn.Parameter): The gates ``[units, channels]``, padded where
            a unit has fewer channels.
        units (list[ChannelUnit]): In the order of the rows of gates.
        frozen (bool): Whether the open channels were chosen for good.

    Raises:
        ConfigError: If an option is unknown or has an unknown value.
    """

    any_channels = True
    networks = ('max', 'min', 'open')

    def __init__(
        self,
        shape: str = 'constant',
        magnification: float = 1e5,
        init: str | float = 'importance',
        scope: Sequence[str] | None = None,
        exclude: Sequence[str] | None = None,
        **unknown,
    ) -> None:
        super().__init__(scope, exclude)
        refuse_unknown(self, unknown)
        one_of('mutator: shape', shape, tuple(SHAPES))
        # With less, closed channels show in the output; with more, float32
        # can't tell the value of an open gate from 1.
        number('mutator: magnification', magnification, 1000, 1000000)
        if not isinstance(init, str) or init != 'importance':
            number("mutator: init (if not 'importance')", init, above=0)
        self.shape = shape
        self.magnification = magnification
        self.init = init

    # ---- building ----------------------------------------------------

    def prepare(self, architecture: nn.Module, input_shape: tuple[int, ...]) -> None:
        """Trace the model and give every channel that may be cut a gate.

        Args:
            architecture: The full model, on the CPU.
            input_shape: Channels, height and width of one sample.

        Raises:
            TraceError: If the model can't be traced or pruned.
        """
        super().prepare(architecture, input_shape)
        sizes = torch.tensor(self.supernet.full)
        valid = torch.arange(int(sizes.max())) < sizes[:, None]
        # Not in checkpoints: it follows from the model.
        self.register_buffer('valid', valid, persistent=False)
        self.frozen = False
        self.gates = nn.Parameter(valid.float())
        self._follows_gates = True

    @torch.no_grad()
    def start(self) -> None:
        """Set the gates' first values; the weights are loaded by now."""
        if self.init == 'importance':
            rows = channel_sizes(self.supernet)
            for row, values in zip(self.gates, rows):
                row[: len(values)] = values
            self.gates.mul_(self.valid)
        else:
            self.gates.copy_(self.valid * float(self.init))

    @torch.no_grad()
    def go_on(self) -> None:
        """Begin again with the open channels; the others are closed for good."""
        self.valid.copy_(open_mask(self.gates, self.valid))
        self.frozen = False
        self.start()

    # ---- gates -------------------------------------------------------

    def values(self) -> Tensor:
        """Values of all gates, ``[units, channels]``, zero where padded.

        In training f(w), differentiable; exactly 0 or 1 in eval mode and
        once the gates are frozen.
        """
        if self.frozen or not self.training:
            return open_mask(self.gates, self.valid).to(self.gates.dtype)
        return self._trainable()

    def _trainable(self) -> Tensor:
        mask = open_mask(self.gates, self.valid)
        value = gate(self.gates, self.shape, self.magnification)
        # The last gate of a unit is open wherever it stands: the value
        # changes, the gradient does not.
        forced = mask & (self.gates.detach() <= 0)
        return value * self.valid + forced

    def rows(self, values: Tensor) -> list[Tensor]:
        """Values ``[units, channels]`` without the padding."""
        return [row[: u.num_channels] for u, row in zip(self.units, values)]

    def channel_scales(self) -> list[Tensor]:
        """What the units' outputs are multiplied by, ``[channels]`` per unit:
        the gates, or 0 and 1 as chosen with :meth:`set_widths`."""
        if self._follows_gates:
            return self.rows(self.values())
        scales = []
        for unit, kept in zip(self.units, self.selections):
            scales.append(self.gates.new_zeros(unit.num_channels))
            scales[-1][list(kept)] = 1.0
        return scales

    def expected_widths(self) -> Tensor:
        """Number of open channels of each unit ``[units]``: exact, with the
        gates' gradient."""
        values = self._trainable()
        opened = open_mask(self.gates, self.valid).sum(dim=1)
        slopes = (values - values.detach()).sum(dim=1)
        return opened + slopes

    @torch.no_grad()
    def freeze(self, budget: Budget, tolerance: float) -> None:
        """Choose the open channels for good, at the target.

        The gates move so that exactly the chosen ones are above zero.
        """

        def used(widths: Tensor) -> float:
            return float(budget.used_at(self.supernet.cost, widths))

        mask, threshold = choose_open(
            self.gates.double().cpu(), self.valid.cpu(), used, 1.0, tolerance
        )
        mask, shifted = mask.to(self.gates.device), self.gates - threshold
        self.gates.copy_(
            torch.where(mask, shifted.clamp(min=1e-6), shifted.clamp(max=0.0))
            * self.valid
        )
        self.frozen = True

    # ---- channels ----------------------------------------------------

    def named(self, network: str) -> list[Any]:
        """Channels of one of :attr:`networks`.

        Args:
            network: ``'max'`` (all), ``'min'`` (each unit's largest gate) or
                ``'open'`` (the open gates).
        """
        if network == 'open':
            mask = open_mask(self.gates, self.valid).cpu()
            return [tuple(row.nonzero().flatten().tolist()) for row in mask]
        return super().named(network)

    def keep(self, row: int, count: int) -> Kept:
        """The channels of a unit with the largest gates."""
        if count == self.units[row].num_channels:
            return tuple(range(count))
        gates = self.gates[row, : self.units[row].num_channels]
        order = gates.argsort(descending=True, stable=True)
        return tuple(sorted(order[:count].tolist()))

    def set_widths(self, choice: Choice) -> list[int]:
        """Run with these channels from now on; ``'open'`` follows the gates.

        Returns:
            The number of channels of each unit.
        """
        self._selections = self.choose(choice)
        self._follows_gates = choice == 'open'
        return counts(self._selections)

    @property
    def selections(self) -> list[Any]:
        """The channels that the network runs with, indices of each unit."""
        return self.named('open') if self._follows_gates else self._selections

    # ---- state -------------------------------------------------------

    def get_extra_state(self) -> Tensor:
        """Whether the gates are frozen; after the first of several targets also
        which gates there are still."""
        frozen = torch.tensor(self.frozen)
        if not self.turn:
            return frozen
        return torch.cat([frozen.view(1), self.valid.flatten().cpu()])

    def set_extra_state(self, state: Tensor) -> None:
        """Restore what :meth:`get_extra_state` returned."""
        self.frozen = bool(state.flatten()[0])
        if state.dim():
            self.valid.copy_(state[1:].view_as(self.valid))
