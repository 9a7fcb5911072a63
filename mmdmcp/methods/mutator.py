"""What every method's mutator is: the units, and the channels that run."""

import operator
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from mmengine.model import BaseModule
from torch import Tensor, nn

from ..cost import Measure
from ..errors import ConfigError
from ..latency import Profile, attach
from ..ops import Selection
from ..supernet import Supernet, Unit
from .any_module import AnyModule
from .unit import ChannelUnit

#: What :meth:`ChannelMutator.choose` takes: the name of a network, a choice by
#: the name of its unit, or one per unit.
Choice = str | Mapping[str, Any] | Sequence[Any]


class ChannelMutator(BaseModule):
    r"""Base of the mutators: owns the units and chooses their channels.

    A method adds what it learns, in :meth:`prepare`; the networks that it
    can name, in :attr:`networks` and :meth:`named`; and, if it learns
    widths, :meth:`expected_widths`. What it keeps in parameters and buffers
    is in checkpoints.

    The vocabulary is that of mmrazor's mutators: ``mutable_units``,
    ``current_choices``, ``set_choices``, ``sample_choices``.

    Args:
        scope: Prefixes of the names of units to prune, such as
            ``['backbone']``; None prunes all that can be.
        exclude: Layers that keep their channels, by prefixes of their names
            or regular expressions of whole ones, such as ``[r'.*\.conv3']``.

    Attributes:
        any_channels (bool): Whether any channels of a unit may be kept, a
            tuple of indices; otherwise the first so many, a number.
        networks (tuple[str, ...]): Networks that :meth:`choose` knows by
            name.
        of_budget (tuple[str, ...]): Those that are others for each of
            several budgets.
        units (list[ChannelUnit]): What can be pruned, in the model's order.
        supernet (Supernet): Runs the model at any choice.
        turn (int): Number of the budget, of several, that is served.
        generator (torch.Generator): Decides what is drawn, the same on all
            ranks; its state is in checkpoints.
        profile (Profile | None): Measured times, from which costs include
            the latency.
        multiple (int | None): The multiple of channels that pays by the
            profile, for ``divisor='auto'``.
    """

    any_channels = False
    networks: tuple[str, ...] = ('max', 'min')
    of_budget: tuple[str, ...] = ()

    def __init__(
        self, scope: Sequence[str] | None = None, exclude: Sequence[str] | None = None
    ) -> None:
        super().__init__()
        self.scope = scope
        self.exclude = exclude
        self.turn = 0
        self.generator = torch.Generator().manual_seed(0)
        self.units: list[Any] = []
        self.profile: Profile | None = None
        self.multiple: int | None = None

    # ---- building ----------------------------------------------------

    def prepare(self, architecture: nn.Module, input_shape: tuple[int, ...]) -> None:
        """Trace the model and set up its units.

        Args:
            architecture: The full model, on the CPU.
            input_shape: Channels, height and width of one sample.

        Raises:
            TraceError: If the model can't be traced or pruned.
            ProfileError: If :attr:`profile` is of another network.
        """
        run = None
        if isinstance(architecture, AnyModule):
            input_shape, run = architecture.input_shape, architecture.run
            architecture = architecture.model
        self.supernet = Supernet(
            architecture,
            input_shape,
            self.scope,
            self.any_channels,
            run,
            self.exclude,
        )
        if self.profile is not None:
            cost, units = self.supernet.cost, len(self.supernet.units)
            attach(cost, units, input_shape, self.profile)
            self.multiple = self.profile.multiple
        self.units = [self.make_unit(unit) for unit in self.supernet.units]
        for unit in self.units:
            unit.attach(self)
        self._selections = [
            self.keep(row, unit.num_channels) for row, unit in enumerate(self.units)
        ]

    def make_unit(self, unit: Unit) -> ChannelUnit:
        """A unit as users see it, of one of the supernet's."""
        return ChannelUnit(unit.name, unit.num_channels)

    # ---- choosing ----------------------------------------------------

    def choose(self, choice: Choice) -> list[Any]:
        """The channels of all units, in their order.

        Args:
            choice: One of :attr:`networks`; ``{unit name: channels}``, where
                other units stay full; or channels per unit. Channels are a
                number or, if ``any_channels``, indices.

        Raises:
            ConfigError: If a network or unit is unknown, or a number or
                index is out of range.
        """
        if isinstance(choice, str):
            if choice not in self.networks:
                raise ConfigError(
                    f'set_widths({choice!r}): choose from {self.networks} or give '
                    '{unit name: channels}'
                )
            return self.named(choice)
        if isinstance(choice, Mapping):
            names = [unit.name for unit in self.units]
            unknown = [name for name in choice if name not in names]
            if unknown:
                raise ConfigError(
                    f'there is no unit {unknown[0]!r}; the units are {", ".join(names)}'
                )
            choice = [choice.get(unit.name, unit.num_channels) for unit in self.units]
        if len(choice) != len(self.units):
            raise ConfigError(
                f'{len(choice)} widths for {len(self.units)} units; give one per unit'
            )
        return [self._checked(row, channels) for row, channels in enumerate(choice)]

    def named(self, network: str) -> list[Any]:
        """The channels of one of :attr:`networks`."""
        counts = [
            unit.num_channels if network == 'max' else unit.choices[0]
            for unit in self.units
        ]
        return [self.keep(row, count) for row, count in enumerate(counts)]

    def keep(self, row: int, count: int) -> Any:
        """The channels that a unit keeps if it keeps so many: the first.

        Args:
            row: Number of the unit.
            count: Number of channels, in range.
        """
        return tuple(range(count)) if self.any_channels else count

    def _checked(self, row: int, channels: Any) -> Selection:
        """Channels of a unit that were asked for, in numbers of any library."""
        unit = self.units[row]
        indices = _indices(channels) if self.any_channels else None
        if indices is not None:
            if indices and indices[0] >= 0 and indices[-1] < unit.num_channels:
                return indices
        else:
            count = _whole(channels)
            if count is not None and 1 <= count <= unit.num_channels:
                return self.keep(row, count)
        raise ConfigError(
            f'{unit.name}: {channels!r} channels; choose 1 to {unit.num_channels}, '
            f'a whole number{", or indices below that" * self.any_channels}'
        )

    def set_widths(self, choice: Choice) -> list[int]:
        """Run the network with these channels from now on.

        Args:
            choice: As in :meth:`choose`.

        Returns:
            The number of channels of each unit.
        """
        self._selections = self.choose(choice)
        self.supernet.select(self._selections)
        return counts(self._selections)

    @property
    def selections(self) -> list[Any]:
        """The channels that the network runs with, of all units in order."""
        return self._selections

    @contextmanager
    def scaled(self, values: Sequence[Tensor]) -> Iterator[None]:
        """Multiply every unit's outputs.

        Args:
            values: One tensor ``[channels]`` per unit.
        """
        try:
            self.supernet.scale(values, open_only=self.any_channels)
            yield
        finally:
            self.supernet.scale(None)

    # ---- mmrazor's words ---------------------------------------------

    @property
    def mutable_units(self) -> list[Any]:
        """Units with more than one choice."""
        return [unit for unit in self.units if len(unit.choices) > 1]

    @property
    def current_choices(self) -> dict[str, Selection]:
        """What the network runs with, by the units' names."""
        return dict(zip((unit.name for unit in self.units), self.selections))

    @property
    def choice_template(self) -> dict[str, Selection]:
        """The form of what :meth:`set_choices` takes: the current choices of
        the mutable units."""
        current = self.current_choices
        return {unit.name: current[unit.name] for unit in self.mutable_units}

    def set_choices(self, choices: Mapping[str, Any]) -> None:
        """Run with these choices; units that are not named keep theirs."""
        self.set_widths({**self.current_choices, **choices})

    def sample_choices(self, kind: str = 'random') -> dict[str, Selection]:
        """Draw a choice for each mutable unit.

        Args:
            kind: ``'random'``, uniform among a unit's choices, or another
                of :attr:`networks`, such as ``'direct'``.
        """
        if kind == 'random' and 'random' not in self.networks:
            return {u.name: u.sample_choice(self.generator) for u in self.mutable_units}
        drawn = dict(zip((unit.name for unit in self.units), self.choose(kind)))
        return {unit.name: drawn[unit.name] for unit in self.mutable_units}

    # ---- cost --------------------------------------------------------

    def cost_of(self, selections: Sequence[Selection]) -> dict[str, int]:
        """Cost with these channels by the measures' names, exact."""
        return self.supernet.cost.exact(counts(selections))

    def expected_widths(self) -> Tensor:
        """Width of each unit ``[units]``, differentiable in what is learned."""
        return torch.tensor(counts(self.selections), dtype=torch.float64)

    def keep_probabilities(self) -> list[list[float]]:
        """P(kept) of the groups of every unit's channels; none of any unit where
        nothing is drawn."""
        return []

    def expected_cost(self, measure: Measure) -> Tensor:
        """What the whole model costs at the expected widths.

        Returns:
            Scalar float64 tensor, differentiable.
        """
        widths = self.expected_widths()
        return measure.value(self.supernet.cost.to(widths.device), widths)

    def narrowest(self) -> str:
        """Words for the ``'min'`` network, for messages."""
        return f'one channel left in each of the {len(self.units)} units'

    def remedy(self) -> str:
        """What lets it be narrower, for messages; may be empty."""
        return ''

    # ---- state -------------------------------------------------------

    def get_extra_state(self) -> Tensor:
        """The generator's state: a resumed search draws as it would have.

        A tensor, since a Runner broadcasts every entry of a state dict.
        """
        return self.generator.get_state()

    def set_extra_state(self, state: Tensor) -> None:
        """Restore what :meth:`get_extra_state` returned."""
        self.generator.set_state(state.cpu())


def counts(selections: Sequence[Selection]) -> list[int]:
    """The number of channels of each selection."""
    return [s if isinstance(s, int) else len(s) for s in selections]


def _whole(value: Any) -> int | None:
    """A whole number of any library; None if it is something else."""
    try:
        return None if isinstance(value, bool) else operator.index(value)
    except TypeError:
        return None


def _indices(value: Any) -> tuple[int, ...] | None:
    """Indices in ascending order, each once; None if it is something else."""
    if isinstance(value, (str, bytes)) or not isinstance(value, Collection):
        return None
    try:
        indices = [_whole(index) for index in value]
    except TypeError:  # a tensor or array that is a number
        return None
    whole = {index for index in indices if index is not None}
    return None if None in indices else tuple(sorted(whole))
