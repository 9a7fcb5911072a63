"""How much a trained network loses when one unit of it is narrowed."""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from rich.table import Table
from torch import nn

from ..errors import ConfigError, shown
from ..modes import eval_mode
from ..options import number
from ..ranking import channel_scores
from ..report.sensitivity_plot import draw_sensitivity
from ..report.style import save
from ..report.tables import render
from ..supernet import Supernet
from ..ticker import Ticker
from .inputs import ExampleInputs
from .tracing import device_of, traced_copy

EvalFn = Callable[[nn.Module], float]
RATIOS = (0.75, 0.5, 0.25)


@dataclass(frozen=True)
class UnitSensitivity:
    """What one unit is worth.

    Attributes:
        name: Name of the unit's first layer.
        channels: What it has.
        kept: How many it kept, one for each ratio.
        losses: What the score lost with the others.
        saved: Share of the model's multiply-accumulates that went with them.
    """

    name: str
    channels: int
    kept: tuple[int, ...]
    losses: tuple[float, ...]
    saved: tuple[float, ...]


@dataclass(frozen=True)
class Sensitivity:
    """What :func:`sensitivity` found; printed, it is a table.

    Attributes:
        model: Class of the model.
        ratios: Ratios of its channels that a unit kept, descending.
        full: Score of the full network.
        units: In the model's order.
    """

    model: str
    ratios: tuple[float, ...]
    full: float
    units: tuple[UnitSensitivity, ...]

    def to_dict(self) -> dict[str, Any]:
        """Plain dicts, lists, strings and numbers, as JSON takes them."""
        found = asdict(self)
        found['ratios'] = list(self.ratios)
        found['units'] = [
            {key: list(v) if isinstance(v, tuple) else v for key, v in unit.items()}
            for unit in found['units']
        ]
        return found

    def save_plot(self, path: str | Path) -> None:
        """Draw it.

        Args:
            path: Picture to write; the suffix decides the format.

        Raises:
            ConfigError: If it can't be written.
        """
        figure = draw_sensitivity(
            [unit.name for unit in self.units],
            self.ratios,
            [unit.losses for unit in self.units],
        )
        try:
            save(figure, Path(path), 'what the score loses with each unit')
        except (OSError, ValueError) as error:
            raise ConfigError(
                f"{path} can't be written ({error}): name a .png, .pdf or .svg in a "
                'folder that exists'
            ) from error

    def __str__(self) -> str:
        table = Table(
            title=f'{self.model}: what the score of {self.full:.4g} loses',
            caption='when one unit keeps this part of its channels, the most '
            'important ones; MACs: what that saves',
        )
        table.add_column('unit', overflow='fold')
        table.add_column('channels', justify='right')
        for ratio in self.ratios:
            table.add_column(f'{ratio:.0%}', justify='right')
            table.add_column('MACs', justify='right')
        for unit in self.units:
            cells = []
            for loss, saved in zip(unit.losses, unit.saved):
                cells += [f'{loss:.4g}', f'-{saved:.1%}']
            table.add_row(unit.name, str(unit.channels), *cells)
        order = sorted(self.units, key=lambda unit: unit.losses[-1])
        least = ', '.join(unit.name for unit in order[:3])
        most = ', '.join(unit.name for unit in order[:-4:-1])
        return (
            f'{render(table, 110)}\n'
            f'at {self.ratios[-1]:.0%} it loses most with {most}; least with {least}'
        )


def sensitivity(
    model: nn.Module,
    example_inputs: ExampleInputs,
    eval_fn: EvalFn,
    ratios: Sequence[float] = RATIOS,
    criterion: str = 'l2',
    scope: Sequence[str] | None = None,
    exclude: Sequence[str] | None = None,
    progress: bool = True,
) -> Sensitivity:
    """Narrow one unit after the other, and see what the network loses.

    Nothing is trained, and batch norms keep their statistics. The network
    runs as small as it is, once for each unit and ratio, so a part of the
    validation data will do: a few hundred images.

    Args:
        model: Any module, trained; stays as it is, a copy runs.
        example_inputs: What it is called with, as for :func:`prune`.
        eval_fn: How good a model in eval mode is, larger is better.
        ratios: Ratios of its channels that a unit keeps.
        criterion: Which channels are kept: ``'l1'``, ``'l2'``, ``'bn_scale'``
            or ``'size'``; see :mod:`mmdmcp.ranking.scores`.
        scope: Prefixes of the names of units to look at; None for all.
        exclude: Layers to leave alone, as for :func:`prune`.
        progress: Whether to say on stderr how far it is.

    Raises:
        ConfigError: If an option is unknown or out of range.
        TraceError: If the model can't be traced, or nothing can be pruned.

    Example:
        >>> found = mmdmcp.sensitivity(model, x, lambda net: accuracy(net, images))
        >>> print(found)
        >>> found.save_plot('sensitivity.png')
    """
    check_ratios(ratios)
    supernet = traced_copy(model, example_inputs, scope, exclude)
    supernet.model.to(device_of(model))
    return measure(supernet, eval_fn, ratios, criterion, progress)


def check_ratios(ratios: Sequence[float]) -> None:
    """Raise unless each is above 0 and below 1, and there is one.

    Raises:
        ConfigError: Naming what is wrong.
    """
    if not isinstance(ratios, (list, tuple)) or not ratios:
        raise ConfigError(f'ratios={shown(ratios)}: give some, such as {RATIOS}')
    for ratio in ratios:
        number('ratios: ratio', ratio, above=0, below=1)


def measure(
    supernet: Supernet,
    eval_fn: EvalFn,
    ratios: Sequence[float] = RATIOS,
    criterion: str = 'l2',
    progress: bool = True,
) -> Sensitivity:
    """The same for a supernet whose units may keep any channels."""
    model, full = supernet.model, supernet.full
    ratios = tuple(sorted(ratios, reverse=True))
    orders = [
        row.argsort(descending=True, stable=True).tolist()
        for row in channel_scores(supernet, criterion)
    ]
    whole: list[Any] = list(full)  # as numbers: no weight is copied
    macs = supernet.cost.exact(full)['macs']

    def score(selections: list[Any]) -> float:
        supernet.select(selections)
        with torch.no_grad(), eval_mode(model):
            return float(eval_fn(model)) + 0.0  # never -0

    ticker = Ticker('networks', 1 + len(full) * len(ratios), active=progress)
    best = score(whole)
    ticker.advance()
    units = []
    for index, order in enumerate(orders):
        kept = tuple(max(1, round(ratio * full[index])) for ratio in ratios)
        losses, saved = [], []
        for count in kept:
            selections = list(whole)
            selections[index] = tuple(sorted(order[:count]))
            losses.append(best - score(selections))
            widths = [*full[:index], count, *full[index + 1 :]]
            saved.append(1 - supernet.cost.exact(widths)['macs'] / macs)
            ticker.advance()
        units.append(
            UnitSensitivity(
                supernet.units[index].name,
                full[index],
                kept,
                tuple(losses),
                tuple(saved),
            )
        )
    supernet.select(whole)
    return Sensitivity(type(model).__name__, ratios, best, tuple(units))
