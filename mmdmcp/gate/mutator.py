"""The gates of all units, and which channels the network runs with."""

from collections.abc import Collection, Mapping, Sequence
from numbers import Integral

import torch
from mmengine.model import BaseModule
from torch import Tensor, nn

from ..errors import ConfigError
from ..options import number, refuse_unknown
from ..registry import MODELS, registered
from ..supernet import Supernet
from .gate import SHAPES, gate
from .importance import channel_importance
from .select import choose_open, open_mask
from .unit import GateChannelUnit

Kept = tuple[int, ...]
Widths = str | Mapping[str, int | Sequence[int]]
#: Ways to choose channels, beside ``{unit name: channels}``.
HOWS = ('max', 'min', 'open')


@MODELS.register_module()
class GateChannelMutator(BaseModule):
    """Owns one gate a channel of every unit.

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
        unit: Registered type of the units, a :class:`GateChannelUnit`.

    Attributes:
        gates (nn.Parameter): The gates ``[units, channels]``, padded where
            a unit has fewer channels.
        units (list[GateChannelUnit]): In the order of the rows of gates.
        frozen (bool): Whether the open channels were chosen for good.

    Raises:
        ConfigError: If an option is unknown or has an unknown value.
    """

    def __init__(
        self,
        shape: str = 'constant',
        magnification: float = 1e5,
        init: str | float = 'importance',
        scope: Sequence[str] | None = None,
        unit: str = 'mmdmcp.GateChannelUnit',
        **unknown,
    ) -> None:
        super().__init__()
        refuse_unknown(self, unknown)
        if shape not in tuple(SHAPES):
            raise ConfigError(f'mutator: shape={shape!r}; choose from {tuple(SHAPES)}')
        # With less, closed channels show in the output; with more, float32
        # can't tell the value of an open gate from 1.
        number('mutator: magnification', magnification, 1000, 1000000)
        if init != 'importance':
            number("mutator: init (if not 'importance')", init, above=0)
        self.shape = shape
        self.magnification = magnification
        self.init = init
        self.scope = scope
        self.unit = registered('mutator.unit', unit, GateChannelUnit)
        self.units: list[GateChannelUnit] = []

    # ---- building ----------------------------------------------------

    def prepare(self, architecture: nn.Module, input_shape: tuple[int, ...]) -> None:
        """Trace the model and give every channel that may be cut a gate.

        Args:
            architecture: The full model, on the CPU.
            input_shape: Channels, height and width of one sample.

        Raises:
            TraceError: If the model can't be traced or pruned.
        """
        self.supernet = Supernet(
            architecture, input_shape, self.scope, any_channels=True
        )
        self.units = [self.unit(u.name, u.num_channels) for u in self.supernet.units]
        sizes = torch.tensor(self.supernet.full)
        valid = torch.arange(int(sizes.max())) < sizes[:, None]
        # Not in checkpoints: it follows from the model.
        self.register_buffer('valid', valid, persistent=False)
        self.frozen = False
        self.gates = nn.Parameter(valid.float())
        self._chosen: list[Kept] | None = None

    @torch.no_grad()
    def start(self) -> None:
        """Set the gates' first values; the weights are loaded by now."""
        if self.init == 'importance':
            rows = channel_importance(self.supernet)
            for row, values in zip(self.gates, rows):
                row[: len(values)] = values
        else:
            self.gates.copy_(self.valid * float(self.init))

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

    def apply_gates(self) -> None:
        """Make the network run with its gates, or with the channels chosen
        with :meth:`set_widths`, until :meth:`release`."""
        if self._chosen is not None:
            values = self._masks(self._chosen)
        else:
            values = [
                row[: u.num_channels] for u, row in zip(self.units, self.values())
            ]
        self.supernet.scale(values, open_only=True)

    def release(self) -> None:
        """Run the full network again."""
        self.supernet.scale(None)

    def expected_cost(self, measure: str = 'macs') -> Tensor:
        """Cost of the open channels: exact, with the gates' gradient.

        Args:
            measure: ``'macs'`` or ``'params'``.

        Returns:
            Scalar float64 tensor.
        """
        values = self._trainable()
        counts = open_mask(self.gates, self.valid).sum(dim=1)
        slopes = (values - values.detach()).sum(dim=1)
        cost = self.supernet.cost.to(values.device)
        return getattr(cost, measure)(counts + slopes)

    @torch.no_grad()
    def freeze(self, measure: str, target: int, tolerance: float) -> None:
        """Choose the open channels for good, at the target.

        The gates move so that exactly the chosen ones are above zero.
        """

        def cost(widths: Tensor) -> float:
            model = self.supernet.cost.to(widths.device)
            return float(getattr(model, measure)(widths))

        mask, threshold = choose_open(
            self.gates.double().cpu(), self.valid.cpu(), cost, target, tolerance
        )
        mask, shifted = mask.to(self.gates.device), self.gates - threshold
        self.gates.copy_(
            torch.where(mask, shifted.clamp(min=1e-6), shifted.clamp(max=0.0))
            * self.valid
        )
        self.frozen = True

    # ---- channels ----------------------------------------------------

    def choose(self, how: Widths) -> list[Kept]:
        """Channels to keep, one tuple of indices a unit.

        Args:
            how: ``'max'`` (all), ``'min'`` (each unit's largest gate),
                ``'open'`` (the open gates), or ``{unit name: channels}``:
                a number for the largest gates, or the indices themselves;
                other units stay full.

        Raises:
            ConfigError: If ``how`` or a unit is unknown, or a number or
                index out of range.
        """
        if isinstance(how, Mapping):
            unknown = set(how) - {unit.name for unit in self.units}
            if unknown:
                raise ConfigError(
                    f'there is no unit {sorted(unknown)[0]!r}; the units are '
                    f'{", ".join(unit.name for unit in self.units)}'
                )
            return [
                self._named(row, unit, how.get(unit.name, unit.num_channels))
                for row, unit in enumerate(self.units)
            ]
        if how == 'max':
            return [tuple(range(u.num_channels)) for u in self.units]
        if how == 'min':
            return [self._named(i, u, 1) for i, u in enumerate(self.units)]
        if how == 'open':
            mask = open_mask(self.gates, self.valid).cpu()
            return [tuple(row.nonzero().flatten().tolist()) for row in mask]
        raise ConfigError(
            f'set_widths({how!r}): choose from {HOWS} or give {{unit name: channels}}'
        )

    def _named(
        self, row: int, unit: GateChannelUnit, chosen: int | Sequence[int]
    ) -> Kept:
        if isinstance(chosen, Integral):
            if 1 <= chosen <= unit.num_channels:
                order = self.gates[row, : unit.num_channels].argsort(
                    descending=True, stable=True
                )
                return tuple(sorted(order[:chosen].tolist()))
        elif isinstance(chosen, Collection) and all(
            isinstance(index, Integral) for index in chosen
        ):
            kept = tuple(sorted(map(int, set(chosen))))
            if kept and kept[0] >= 0 and kept[-1] < unit.num_channels:
                return kept
        raise ConfigError(
            f'{unit.name}: {chosen!r} channels; choose 1 to '
            f'{unit.num_channels}, or indices below that'
        )

    def set_widths(self, how: Widths) -> list[int]:
        """Run with these channels from now on; ``'open'`` follows the gates.

        Returns:
            The number of channels, one a unit.
        """
        chosen = self.choose(how)
        self._chosen = None if how == 'open' else chosen
        return [len(kept) for kept in chosen]

    @property
    def chosen(self) -> list[Kept]:
        """The channels that the network runs with, indices of each unit."""
        return self.choose('open') if self._chosen is None else self._chosen

    def _masks(self, chosen: Sequence[Kept]) -> list[Tensor]:
        masks = []
        for unit, kept in zip(self.units, chosen):
            mask = self.gates.new_zeros(unit.num_channels)
            mask[list(kept)] = 1.0
            masks.append(mask)
        return masks

    def cost_of(self, chosen: Sequence[Kept]) -> dict[str, int]:
        """``{'macs': int, 'params': int}`` with these channels, exact."""
        return self.supernet.cost.exact([len(kept) for kept in chosen])

    # ---- state -------------------------------------------------------

    def get_extra_state(self) -> Tensor:
        """Whether the gates are frozen."""
        return torch.tensor(self.frozen)

    def set_extra_state(self, state: Tensor) -> None:
        """Restore what :meth:`get_extra_state` returned."""
        self.frozen = bool(state)
