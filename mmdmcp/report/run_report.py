"""The report of a run: what was found, what it costs, how it was made."""

import os
from collections.abc import Mapping
from pathlib import Path

from .page import Grid, Page, Section
from .record import BudgetRecord
from .run_folder import RunFolder
from .search_plots import words
from .sections import (
    candidates_section,
    during_section,
    frontier_section,
    number,
    origin_section,
    subnet_section,
)
from .tables import amount, quantity

FLOPS = '1 FLOP = 1 multiply-accumulate of a convolution or linear layer'
#: Metrics of each network by its name.
Trained = Mapping[str, Mapping[str, float]]


def write_report(
    work_dir: str | os.PathLike,
    out: str | os.PathLike | None = None,
    trained: Trained | None = None,
) -> Path:
    """Write the report of a run: one HTML file, and its pictures beside it.

    Args:
        work_dir: The work dir of a search.
        out: The file; defaults to ``report.html`` in the work dir. Pictures go
            into a folder of its name.
        trained: Metrics of networks that were trained or tested elsewhere, by
            the words for their rows.

    Returns:
        The file.

    Raises:
        DataError: If the work dir holds nothing to show, or damaged files.
        OSError: If the report can't be written.
    """
    folder = RunFolder.read(work_dir)
    out = Path(out or folder.path / 'report.html')
    build_report(folder, trained or {}).write(out, out.with_suffix(''))
    return out


def build_report(folder: RunFolder, trained: Trained) -> Page:
    """The report as a :class:`Page`."""
    record = folder.record
    names = list(folder.subnets)
    title = names[0] if len(names) == 1 else folder.path.resolve().name
    method = next((s.method for s in folder.subnets.values()), None)
    if record is not None:
        method = record.method
    subtitle = [f'Method: {method}' if method else 'A run']
    if record is not None:
        subtitle.append(f'{record.iteration:,} of {record.max_iters:,} iterations')
    page = Page(title, ' · '.join(subtitle))
    page.cards = _cards(folder, trained)
    page.sections = [
        section
        for section in (
            _before_and_after(folder, trained),
            frontier_section(folder, trained),
            *(subnet_section(folder, name) for name in names),
            *(
                candidates_section(folder, b)
                for b in (record.budgets if record else [])
            ),
            during_section(folder),
            origin_section(folder),
        )
        if section is not None
    ]
    return page


def _cards(folder: RunFolder, trained: Trained) -> list[tuple[str, str]]:
    record = folder.record
    if len(folder.subnets) != 1:
        return []
    (subnet,) = folder.subnets.values()
    cards = []
    for key in ('macs', 'params'):
        if record is not None:
            ratio = subnet.cost[key] / record.full.cost[key]
            cards.append((f'{ratio:.1%}', f'of the {words(key)}'))
        else:
            cards.append((quantity(subnet.cost[key]), words(key)))
    if folder.latency:
        best = max(folder.latency['runtimes'], key=lambda row: row['speed_up'])
        cards.append((f'{best["speed_up"]:.2f}x', f'as fast, {best["runtime"]}'))
    for label, metrics in list(trained.items())[-1:]:
        for key, value in list(metrics.items())[:1]:
            cards.append((number(value), f'{key}, {label}'))
    return cards


# ---- before and after ------------------------------------------------


def _before_and_after(folder: RunFolder, trained: Trained) -> Section | None:
    rows = [*_networks(folder), *((label, {}, m, None) for label, m in trained.items())]
    if not rows:
        return None
    metrics = list(dict.fromkeys(key for _, _, found, _ in rows for key in found))
    full = folder.record.full.cost if folder.record else {}
    lines = []
    for key in ('macs', 'params', 'latency_us'):
        costs = [cost.get(key) for _, cost, _, _ in rows]
        if key == 'latency_us' and not any(costs):
            continue
        lines.append(
            [words(key), *('' if c is None else amount(key, c) for c in costs)]
        )
        if key in full:
            shares = ['' if c is None else f'{c / full[key]:.1%}' for c in costs]
            lines.append(['of full', *shares])
    lines.append(['weights', *(_mebibytes(size) for *_, size in rows)])
    lines += [[key, *(number(m.get(key)) for _, _, m, _ in rows)] for key in metrics]
    table = Grid(['', *(label for label, *_ in rows)], lines, FLOPS)
    return Section('Before and after', tables=[table, *_latency_tables(folder)])


def _networks(folder: RunFolder) -> list[tuple]:
    """Label, cost, metrics and bytes of the full and every pruned network."""
    record, rows = folder.record, []
    if record is not None:
        full = record.full
        rows.append(('full network', full.cost, full.metrics, full.weight_bytes))
    for name, subnet in folder.subnets.items():
        budget = record.budget(name) if record else None
        chosen = _chosen(budget) if budget else None
        file = folder.path / f'{name}.pth'
        rows.append(
            (
                'pruned' if len(folder.subnets) == 1 else name,
                subnet.cost,
                chosen.metrics if chosen else {},
                file.stat().st_size if file.is_file() else None,
            )
        )
    return rows


def _chosen(budget: BudgetRecord):
    return next((c for c in budget.candidates if c.name == budget.chosen), None)


def _latency_tables(folder: RunFolder) -> list[Grid]:
    if folder.latency is None:
        return []
    return [
        Grid(
            ['latency', 'full', 'pruned', 'full/pruned'],
            [
                [
                    row['runtime'],
                    f'{row["full"] * 1e3:,.2f} ms',
                    f'{row["pruned"] * 1e3:,.2f} ms',
                    f'{row["speed_up"]:.2f}x',
                ]
                for row in folder.latency['runtimes']
            ],
            f'Measured: {folder.latency["measured"]}',
        )
    ]


def _mebibytes(size: int | None) -> str:
    return '' if size is None else f'{size / 2**20:,.2f} MiB'
