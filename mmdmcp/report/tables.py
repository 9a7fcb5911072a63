"""Tables for people, as text."""

from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Console
from rich.table import Table

from ..cost import MEASURES, Budget
from ..cost.measures import Latency


def render(table: Table, width: int = 100) -> str:
    """A table as plain text, the same on every terminal and in log files."""
    console = Console(
        width=width, color_system=None, force_terminal=False, no_color=True
    )
    with console.capture() as capture:
        console.print(table)
    return capture.get().rstrip()


def quantity(number: float) -> str:
    """A count in four figures.

    Example:
        >>> quantity(2_194_130_032), quantity(820_928), quantity(90)
        ('2.194 G', '820.9 K', '90')
    """
    for size, letter in ((1e9, 'G'), (1e6, 'M'), (1e3, 'K')):
        if abs(number) >= size:
            return f'{number / size:#.4g} {letter}'
    return f'{number:.4g}'


def amount(measure: str, number: float) -> str:
    """The same with what is no count in its unit.

    Example:
        >>> amount('params', 820_928), amount('latency_us', 3512)
        ('820.9 K', '3.512 ms')
    """
    if measure == Latency.name:
        return MEASURES[measure].format(number)
    return quantity(number)


def preflight_table(algorithm: Any) -> str:
    """What a search can reach, before it starts.

    Args:
        algorithm: A :class:`~mmdmcp.methods.PruningAlgorithm`.
    """
    mutator, supernet = algorithm.mutator, algorithm.mutator.supernet
    shape = 'x'.join(map(str, algorithm.input_shape))
    table = Table(
        title='What can be pruned', caption=f'MACs: multiply-accumulates, at {shape}'
    )
    table.add_column('network')
    full = algorithm.cost_of('max')
    _add_measures(table, full)
    rows = [('full', full), ('narrowest', algorithm.cost_of('min'))]
    for budget in algorithm.each_budget():
        tag = algorithm.tag and f' {algorithm.tag}'
        expected = {
            name: float(algorithm.expected_cost(name).detach())
            for name in budget.values
        }
        rows += [(f'target{tag}', budget.values), (f'expected now{tag}', expected)]
    for name, cost in rows:
        table.add_row(name, *_amounts(cost, full))
    lines = [render(table)]
    channels = sum(unit.num_channels for unit in mutator.units)
    lines.append(f'{len(mutator.units)} units with {channels} channels can be pruned')
    for limit in (
        x for b in algorithm.budgets for x in b if x.measure.name not in MEASURES
    ):
        name, words = limit.measure.name, limit.measure.format
        lines.append(
            f'  {limit.measure.noun}: {words(full[name])}, narrowest '
            f'{words(algorithm.cost_of("min")[name])}, target {words(limit.value)} '
            f'({limit.ratio:.2%})'
        )
    for entry, layers in supernet.excluded.items():
        more = f' and {len(layers) - 5} more' if len(layers) > 5 else ''
        lines.append(
            f'  excluded by {entry!r}: {len(layers)} layers, '
            f'{", ".join(layers[:5])}{more}'
        )
    lines += [f'  kept whole: {name}: {reason}' for name, reason in supernet.unprunable]
    return '\n'.join(lines)


def _add_measures(table: Table, full: Mapping[str, float]) -> None:
    """Two columns per measure that the full network is known in."""
    for name, measure in MEASURES.items():
        if name in full:
            table.add_column(measure.title, justify='right')
            table.add_column('of full', justify='right')


def _amounts(cost: Mapping[str, float], full: Mapping[str, float]) -> list[str]:
    """The same columns, blank where a cost is not known in one."""
    columns = []
    for name, measure in MEASURES.items():
        if name not in full:
            continue
        if name in cost:
            columns += [measure.format(cost[name]), f'{cost[name] / full[name]:.2%}']
        else:
            columns += ['', '']
    return columns


def network_table(
    rows: Sequence[tuple], title: str = 'Before and after pruning'
) -> str:
    """Networks one below the other, the first being the full one.

    Args:
        rows: Name, cost by the measures' names, and metrics of each; a
            metric that a network lacks is left blank.
        title: Stands above it.
    """
    metrics = list(dict.fromkeys(key for *_, found in rows for key in found))
    table = Table(title=title)
    table.add_column('network')
    full = rows[0][1]
    _add_measures(table, full)
    for column in metrics:
        table.add_column(column, justify='right')
    for name, cost, found in rows:
        table.add_row(
            name,
            *_amounts(cost, full),
            *(f'{float(found[key]):.4g}' if key in found else '' for key in metrics),
        )
    return render(table)


def candidate_table(
    candidates: Sequence[Any],
    best: Any,
    budget: Budget,
    metric: str | None,
    tag: str = '',
) -> str:
    """The subnets that were compared, the chosen one marked.

    Args:
        candidates: With ``name``, ``cost`` and ``metrics``.
        best: The chosen one.
        budget: What was aimed at.
        metric: Metric that decided; None if there was none. Blank where a
            candidate lacks it.
        tag: Of several budgets, which.
    """
    which = tag and f' for {tag}'
    table = Table(title=f'Candidates{which}, with recalibrated batch norms')
    table.add_column('candidate')
    for limit in budget:
        table.add_column(limit.measure.title, justify='right')
        table.add_column('off target', justify='right')
    table.add_column(metric or 'no metric', justify='right')
    for candidate in candidates:
        mark = ' (chosen)' if candidate is best else ''
        columns, score = [], candidate.score(metric)
        for limit in budget:
            amount = candidate.cost[limit.measure.name]
            columns.append(limit.measure.format(amount))
            columns.append(f'{amount / limit.value - 1:+.2%}')
        table.add_row(
            candidate.name + mark,
            *columns,
            '' if score is None else f'{score:.4g}',
        )
    return render(table)
