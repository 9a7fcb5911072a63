"""The channels of all units in the order of their importance."""

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from ..cost import Budget
from ..errors import ConfigError
from ..methods import ChannelMutator, ChannelUnit
from ..options import number, refuse_unknown
from ..ranking import (
    CRITERIA,
    NORMALISATIONS,
    channel_scores,
    check_divisor,
    choose_channels,
    normalise,
    resolve_divisor,
    width_steps,
)
from ..ranking.select import Divisor
from ..registry import MODELS
from ..supernet import Unit

Kept = tuple[int, ...]


class ImportanceChannelUnit(ChannelUnit):
    """Layers that keep the same channels.

    Args:
        name: Name of the unit's first layer.
        num_channels: Channels of the full network.
        choices: Numbers of channels that it may keep, ascending.
    """

    def __init__(self, name: str, num_channels: int, choices: Sequence[int]) -> None:
        super().__init__(name, num_channels)
        self._choices = tuple(choices)

    @property
    def choices(self) -> Sequence[int]:
        """Numbers of channels that it may keep, ascending."""
        return self._choices


@MODELS.register_module()
class ImportanceChannelMutator(ChannelMutator):
    r"""Scores channels and keeps the most important ones.

    It learns nothing: scores are computed from the weights when channels
    are removed.

    Args:
        criterion: What makes a channel important: ``'l1'``, ``'l2'``,
            ``'bn_scale'``, ``'size'`` or ``'taylor'``; see
            :mod:`mmdmcp.ranking.scores`.
        normalisation: What makes units comparable: ``'mean'``, ``'max'``,
            ``'sum'``, ``'l2'``, ``'gaussian'``, ``'lamp'``, ``'rank'`` (all
            units are narrowed alike) or ``'none'``.
        readers: Whether the layers that read a channel count as well.
        min_ratio: Least ratio of its channels that a unit keeps.
        divisor: Units keep multiples of it, or all their channels.
            ``'auto'`` takes what pays on the device from the latency
            profile, halved until a unit has four multiples.
        scope: Prefixes of the names of units to prune, such as
            ``['backbone']``; None prunes all that can be.
        exclude: Layers that keep their channels, by prefixes of their names
            or regular expressions of whole ones, such as ``[r'.*\.conv3']``.

    Raises:
        ConfigError: If an option is unknown or has an unknown value.
    """

    any_channels = True

    def __init__(
        self,
        criterion: str = 'l2',
        normalisation: str = 'mean',
        readers: bool = False,
        min_ratio: float = 0.1,
        divisor: int | str = 1,
        scope: Sequence[str] | None = None,
        exclude: Sequence[str] | None = None,
        **unknown,
    ) -> None:
        super().__init__(scope, exclude)
        refuse_unknown(self, unknown)
        for name, value, known in (
            ('criterion', criterion, CRITERIA),
            ('normalisation', normalisation, tuple(NORMALISATIONS)),
            ('readers', readers, (True, False)),
        ):
            if value not in known:
                raise ConfigError(f'mutator: {name}={value!r}; choose from {known}')
        number('mutator: min_ratio', min_ratio, low=0, high=1)
        check_divisor('mutator: divisor', divisor)
        self.criterion = criterion
        self.normalisation = normalisation
        self.readers = readers
        self.min_ratio = min_ratio
        self.divisor = divisor
        self._order: list[list[int]] | None = None

    # ---- building ----------------------------------------------------

    def make_unit(self, unit: Unit) -> ImportanceChannelUnit:
        """A unit as users see it, of one of the supernet's."""
        choices = width_steps(unit.num_channels, self.min_ratio, self._divisor)
        return ImportanceChannelUnit(unit.name, unit.num_channels, choices)

    @property
    def _divisor(self) -> Divisor:
        return resolve_divisor('mutator.divisor', self.divisor, self.multiple)

    # ---- choosing ----------------------------------------------------

    def prune(
        self,
        budget: Budget,
        used: float,
        tolerance: float,
        saliency: Mapping[str, Tensor] | None = None,
    ) -> None:
        """Remove the least important of the channels that are still there.

        Args:
            budget: What the network may cost in the end.
            used: How much of it, as a ratio, the network may use now; above
                1 on the way.
            tolerance: Accepted distance, as a ratio.
            saliency: |weight x gradient| of the architecture's parameters,
                for ``'taylor'``.
        """
        kept = self.selections
        scores = [
            self._compared(row, channels)
            for row, channels in zip(
                channel_scores(
                    self.supernet, self.criterion, saliency, self.readers, kept
                ),
                kept,
            )
        ]
        self._order = [
            row.argsort(descending=True, stable=True).tolist() for row in scores
        ]
        self.set_widths(
            choose_channels(
                scores,
                lambda widths: float(budget.used_at(self.supernet.cost, widths)),
                used,
                tolerance,
                kept,
                self.min_ratio,
                self._divisor,
            )
        )

    def _compared(self, scores: Tensor, kept: Kept) -> Tensor:
        """Scores of a unit on the scale of all units; those of channels that
        are gone are below all others."""
        left = torch.tensor(kept)
        compared = torch.full_like(scores, -torch.inf)
        compared[left] = normalise(scores[left], self.normalisation)
        return compared

    def keep(self, row: int, count: int) -> Kept:
        """The most important channels by the last scores; the first ones
        before there are any."""
        if self._order is None:
            return tuple(range(count))
        return tuple(sorted(self._order[row][:count]))

    def narrowest(self) -> str:
        """Words for the ``'min'`` network, for messages."""
        return (
            f'every unit at its least width (min_ratio={self.min_ratio}, '
            f'divisor={self.divisor})'
        )

    def remedy(self) -> str:
        """What lets it be narrower, for messages."""
        return 'lower mutator.min_ratio or mutator.divisor'

    # ---- state -------------------------------------------------------

    def get_extra_state(self) -> Tensor:
        """Which channels are kept, bool ``[channels of all units]``."""
        rows = []
        for unit, kept in zip(self.units, self.selections):
            rows.append(torch.zeros(unit.num_channels, dtype=torch.bool))
            rows[-1][list(kept)] = True
        return torch.cat(rows)

    def set_extra_state(self, state: Tensor) -> None:
        """Run with the channels that :meth:`get_extra_state` returned."""
        rows = state.cpu().split([unit.num_channels for unit in self.units])
        self.set_widths([row.nonzero().flatten().tolist() for row in rows])
