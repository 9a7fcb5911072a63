"""Tables for people, as text."""

from collections.abc import Sequence
from typing import Any

from rich.console import Console
from rich.table import Table


def render(table: Table, width: int = 100) -> str:
    """A table as plain text, the same on every terminal and in log files."""
    console = Console(
        width=width, color_system=None, force_terminal=False, no_color=True
    )
    with console.capture() as capture:
        console.print(table)
    return capture.get().rstrip()


def millions(number: float) -> str:
    """A count in millions."""
    return f'{number / 1e6:,.2f} M'


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


def preflight_table(algorithm: Any) -> str:
    """What a search can reach, before it starts.

    Args:
        algorithm: A :class:`~mmdmcp.methods.PruningAlgorithm`.
    """
    mutator, target = algorithm.mutator, algorithm.target
    supernet = mutator.supernet
    full = mutator.cost_of(mutator.choose('max'))
    shape = 'x'.join(map(str, algorithm.input_shape))
    table = Table(
        title='What can be pruned', caption=f'FLOPs are multiply-accumulates at {shape}'
    )
    for column in ('network', 'FLOPs', 'share', 'parameters'):
        table.add_column(column, justify='left' if column == 'network' else 'right')
    rows = [('full', full), ('narrowest', mutator.cost_of(mutator.choose('min')))]
    for name, cost in rows:
        table.add_row(
            name,
            millions(cost['macs']),
            f'{cost["macs"] / full["macs"]:.1%}',
            millions(cost['params']),
        )
    expected = float(algorithm.expected_cost().detach())
    for name, cost in (('target', target), ('expected now', expected)):
        table.add_row(name, *_measured(cost, full, algorithm.measure))
    lines = [render(table)]
    channels = sum(unit.num_channels for unit in mutator.units)
    lines.append(f'{len(mutator.units)} units with {channels} channels can be pruned')
    lines += [f'  kept whole: {name}: {reason}' for name, reason in supernet.unprunable]
    return '\n'.join(lines)


def _measured(cost: float, full: dict, measure: str):
    """The columns of a cost that is known in one measure only."""
    if measure == 'macs':
        return millions(cost), f'{cost / full["macs"]:.1%}', ''
    return '', '', f'{millions(cost)} ({cost / full["params"]:.1%})'


def network_table(rows: Sequence[tuple]) -> str:
    """Networks one below the other, the first being the full one.

    Args:
        rows: Name, cost (``macs`` and ``params``) and metrics of each; a
            metric that a network lacks is left blank.
    """
    metrics = list(dict.fromkeys(key for *_, found in rows for key in found))
    table = Table(title='Before and after pruning')
    table.add_column('network')
    for column in ('FLOPs', 'of full', 'parameters', 'of full', *metrics):
        table.add_column(column, justify='right')
    full = rows[0][1]
    for name, cost, found in rows:
        table.add_row(
            name,
            millions(cost['macs']),
            f'{cost["macs"] / full["macs"]:.2%}',
            millions(cost['params']),
            f'{cost["params"] / full["params"]:.2%}',
            *(f'{float(found[key]):.4g}' if key in found else '' for key in metrics),
        )
    return render(table)


def candidate_table(
    candidates: Sequence[Any], best: Any, target: int, metric: str
) -> str:
    """The subnets that were compared, the chosen one marked.

    Args:
        candidates: With ``name``, ``macs`` and ``metrics``.
        best: The chosen one.
        target: MACs aimed at.
        metric: Metric that decided.
    """
    table = Table(title='Candidates, with recalibrated batch norms')
    table.add_column('candidate')
    for column in ('FLOPs', 'off target', metric):
        table.add_column(column, justify='right')
    for candidate in candidates:
        mark = ' (chosen)' if candidate is best else ''
        table.add_row(
            candidate.name + mark,
            millions(candidate.macs),
            f'{candidate.macs / target - 1:+.2%}',
            f'{float(candidate.metrics[metric]):.4g}',
        )
    return render(table)
