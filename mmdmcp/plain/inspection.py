"""What of a model can be pruned, and what each part of it costs."""

import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from rich.table import Table
from torch import nn

from ..cost import MEASURES, parse_budgets
from ..cost.budget import Targets
from ..ranking import width_steps
from ..report.tables import render
from ..supernet import Supernet
from .inputs import ExampleInputs
from .tracing import read_profile, traced_copy


@dataclass(frozen=True)
class UnitReport:
    """Layers that must keep the same channels.

    Attributes:
        name: Name of the unit's first layer.
        channels: What it has.
        widths: Numbers of channels that it may keep, ascending.
        layers: Layers that make, filter or normalise these channels.
        readers: Layers that read them.
        macs_share: Share of the model's multiply-accumulates that depends
            on the unit: that of the layers which make or read its channels.
            A layer between two units belongs to both.
        params_share: The same of its parameters.
    """

    name: str
    channels: int
    widths: tuple[int, ...]
    layers: tuple[str, ...]
    readers: tuple[str, ...]
    macs_share: float
    params_share: float


@dataclass(frozen=True)
class Inspection:
    """What :func:`inspect` found; printed, it is a table.

    Attributes:
        model: Class of the model.
        input_shape: Shape of one sample.
        units: What can be pruned, in the model's order.
        kept_whole: What can't: the first layer of each, and why.
        full: ``{'macs': int, 'params': int}`` of the full model.
        narrowest: The same with every unit at its least width.
        target: What was aimed at, by measure; a list of such if a list was
            given, None if nothing was.
        reachable: Whether the narrowest network is at or below every target;
            None without one.
        warnings: What of the config can't be meant.
    """

    model: str
    input_shape: tuple[int, ...]
    units: tuple[UnitReport, ...]
    kept_whole: tuple[tuple[str, str], ...]
    full: dict[str, int]
    narrowest: dict[str, int]
    target: dict[str, int] | list[dict[str, int]] | None = None
    reachable: bool | None = None
    warnings: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Plain dicts, lists, strings and numbers, as JSON takes them."""
        found = asdict(self)
        found['input_shape'] = list(self.input_shape)
        found['warnings'] = list(self.warnings)
        found['kept_whole'] = [
            dict(name=name, reason=reason) for name, reason in self.kept_whole
        ]
        found['units'] = [
            {key: list(v) if isinstance(v, tuple) else v for key, v in unit.items()}
            for unit in found['units']
        ]
        return found

    def __str__(self) -> str:
        lines = [render(self._unit_table(), 110), '', render(self._cost_table())]
        if self.kept_whole:
            lines.append('kept whole:')
            lines += [f'  {name}: {reason}' for name, reason in self.kept_whole]
        if self.reachable is False:
            lines.append(
                'the target is below the narrowest network: raise it, or let units be narrower'
            )
        lines += [f'warning: {warning}' for warning in self.warnings]
        return '\n'.join(lines)

    def _unit_table(self) -> Table:
        table = Table(
            title=f'{self.model}: {len(self.units)} units can be pruned',
            caption='shares: MACs and parameters of the layers that make or '
            'read the channels; a layer between two units belongs to both',
        )
        table.add_column('unit', overflow='fold')
        table.add_column('keeps', justify='right')
        table.add_column('tied with', overflow='fold')
        for column in ('MACs', 'parameters'):
            table.add_column(column, justify='right')
        for unit in self.units:
            table.add_row(
                unit.name,
                _span(unit.widths),
                _short([name for name in unit.layers if name != unit.name]),
                f'{unit.macs_share:.1%}',
                f'{unit.params_share:.1%}',
            )
        return table

    def _cost_table(self) -> Table:
        shape = 'x'.join(map(str, self.input_shape))
        table = Table(caption=f'MACs (FLOPs, in options) are counted at {shape}')
        table.add_column('network')
        measures = [measure for name, measure in MEASURES.items() if name in self.full]
        for measure in measures:
            table.add_column(measure.title, justify='right')
            table.add_column('of full', justify='right')
        rows = [('full', self.full), ('narrowest', self.narrowest)]
        rows += [('target', target) for target in _listed(self.target)]
        for row, cost in rows:
            cells = []
            for measure in measures:
                amount = cost.get(measure.name)
                cells += (
                    ['', '']
                    if amount is None
                    else [
                        measure.format(amount),
                        f'{amount / self.full[measure.name]:.1%}',
                    ]
                )
            table.add_row(row, *cells)
        return table


def inspect(
    model: nn.Module,
    example_inputs: ExampleInputs,
    target: Targets | None = None,
    scope: Sequence[str] | None = None,
    exclude: Sequence[str] | None = None,
    min_ratio: float = 0.1,
    divisor: int | str = 1,
    profile: str | os.PathLike | None = None,
) -> Inspection:
    """Say what of a model can be pruned, and what a target asks for.

    No data and no training: the model, which stays as it is, is copied to
    the CPU and run a few times.

    Args:
        model: Any module.
        example_inputs: What it is called with; see
            :func:`mmdmcp.plain.inputs.runner`. Costs are those of this call.
        target: As for :func:`prune`; or a list of targets.
        scope: Prefixes of the names of units to prune; None for all.
        exclude: Layers that keep their channels, by prefixes of their names or
            regular expressions of whole ones.
        min_ratio: Least ratio of its channels that a unit keeps.
        divisor: Units keep multiples of it, or all their channels; ``'auto'``
            takes what pays on the device from the profile.
        profile: As for :func:`prune`; the table has the latency, too.

    Raises:
        ProfileError: If the profile is of another model or input size.
        TargetError: If the target can't be read.
        TraceError: If the model can't be traced, or nothing can be pruned.

    Example:
        >>> print(mmdmcp.inspect(resnet18(), torch.rand(1, 3, 224, 224)))
    """
    supernet, choices = trace(
        model, example_inputs, scope, exclude, min_ratio, divisor, profile
    )
    return look(supernet, target, choices)


def trace(
    model: nn.Module,
    example_inputs: ExampleInputs,
    scope: Sequence[str] | None = None,
    exclude: Sequence[str] | None = None,
    min_ratio: float = 0.1,
    divisor: int | str = 1,
    profile: str | os.PathLike | None = None,
) -> tuple[Supernet, list[list[int]]]:
    """What :func:`inspect` looks at: a supernet of a copy of the model, and the
    numbers of channels that each of its units may keep."""
    supernet = traced_copy(model, example_inputs, scope, exclude)
    steps = read_profile(supernet, profile, divisor)
    return supernet, [width_steps(size, min_ratio, steps) for size in supernet.full]


def look(
    supernet: Supernet,
    target: Targets | None = None,
    choices: Sequence[Sequence[int]] | None = None,
) -> Inspection:
    """What of a supernet can be pruned.

    Args:
        supernet: The supernet.
        target: What the small network may cost.
        choices: Numbers of channels that each unit may keep, ascending; by
            default any.

    Raises:
        TargetError: If the target can't be read.
    """
    full = supernet.cost.exact(supernet.full)
    if choices is None:
        choices = [range(1, size + 1) for size in supernet.full]
    narrowest = supernet.cost.exact([widths[0] for widths in choices])
    aims = None
    if target is not None:
        found = [budget.values for budget in parse_budgets(target, full)]
        aims = found if isinstance(target, (list, tuple)) else found[0]
    return Inspection(
        model=type(supernet.model).__name__,
        input_shape=supernet.input_shape,
        units=tuple(
            _unit_report(supernet, index, widths, full)
            for index, widths in enumerate(choices)
        ),
        kept_whole=tuple(supernet.unprunable),
        full=full,
        narrowest=narrowest,
        target=aims,
        reachable=None
        if aims is None
        else all(narrowest[k] <= aim[k] for aim in _listed(aims) for k in aim),
    )


def _unit_report(
    supernet: Supernet, index: int, widths: Sequence[int], full: dict[str, int]
) -> UnitReport:
    unit = supernet.units[index]
    without = supernet.cost.exact(
        [0 if i == index else c for i, c in enumerate(supernet.full)]
    )
    layers = [x for x in supernet.layers if index in x.out_layout.units]
    readers = [
        x for x in supernet.layers if index in x.in_layout.units and x not in layers
    ]
    return UnitReport(
        name=unit.name,
        channels=unit.num_channels,
        widths=tuple(widths),
        layers=tuple(layer.name for layer in layers),
        readers=tuple(layer.name for layer in readers),
        macs_share=1 - without['macs'] / full['macs'],
        params_share=1 - without['params'] / full['params'],
    )


def _listed(target: Any) -> list[dict[str, int]]:
    """None, one or several as a list."""
    if target is None:
        return []
    return target if isinstance(target, list) else [target]


def _span(widths: Sequence[int]) -> str:
    """Widths in words: their number if they are not all from one to the other."""
    first, last = widths[0], widths[-1]
    if len(widths) == last - first + 1:
        return f'{first} to {last}'
    return f'{first} to {last}, {len(widths)} widths'


def _short(names: Sequence[str], shown: int = 3) -> str:
    more = f', and {len(names) - shown} more' if len(names) > shown else ''
    return ', '.join(names[:shown]) + more
