"""The report of a run: what was found, what it costs, how it was made."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..subnet import Subnet
from .page import Folded, Grid, Page, Picture, Section
from .plots import draw_saved, draw_widths
from .record import BudgetRecord
from .run_folder import RunFolder
from .search_plots import (
    LOSSES,
    draw_candidates,
    draw_cost,
    draw_marginals,
    draw_scalars,
    words,
)
from .tables import quantity

METHODS = {
    'dmcp': 'DMCP, Differentiable Markov Channel Pruning',
    'gate': 'trainable gates',
    'importance': 'importance',
}
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
    subtitle = [f'Pruned with {METHODS.get(method, method)}' if method else 'A run']
    if record is not None:
        subtitle.append(f'{record.iteration:,} of {record.max_iters:,} iterations')
    page = Page(title, ' · '.join(subtitle))
    page.cards = _cards(folder, trained)
    page.sections = [
        section
        for section in (
            _before_and_after(folder, trained),
            *(_subnet(folder, name) for name in names),
            *(_candidates(folder, b) for b in (record.budgets if record else [])),
            _during(folder),
            _made(folder),
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
            cards.append((_number(value), f'{key}, {label}'))
    return cards


# ---- before and after ------------------------------------------------


def _before_and_after(folder: RunFolder, trained: Trained) -> Section | None:
    rows = [*_networks(folder), *((label, {}, m, None) for label, m in trained.items())]
    if not rows:
        return None
    metrics = list(dict.fromkeys(key for _, _, found, _ in rows for key in found))
    full = folder.record.full.cost if folder.record else {}
    lines = []
    for key in ('macs', 'params'):
        costs = [cost.get(key) for _, cost, _, _ in rows]
        lines.append([words(key), *map(_quantity, costs)])
        if key in full:
            shares = ['' if c is None else f'{c / full[key]:.1%}' for c in costs]
            lines.append(['of full', *shares])
    lines.append(['weights', *(_mebibytes(size) for *_, size in rows)])
    lines += [[key, *(_number(m.get(key)) for _, _, m, _ in rows)] for key in metrics]
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


# ---- what was found --------------------------------------------------


def _subnet(folder: RunFolder, name: str) -> Section:
    subnet, record = folder.subnets[name], folder.record
    pictures = [
        Picture(
            f'widths-{name}',
            'Channels that each unit keeps. A unit is a set of layers that must '
            'keep the same channels; it is named after the first of them.',
            draw_widths([subnet], [name]),
        )
    ]
    budget = record.budget(name) if record else None
    if record and budget is not None and budget.layer_macs:
        pictures.append(
            Picture(
                f'saved-{name}',
                'Where the cost was saved: every layer’s FLOPs before and after.',
                draw_saved(record.layers, record.layer_macs, budget.layer_macs),
            )
        )
    texts = [_target_words(subnet)] if subnet.target else []
    return Section(
        f'What was found: {name}',
        texts,
        pictures=pictures,
        folded=[Folded('Every unit as a table', table=_units_table(subnet))],
    )


def _target_words(subnet: Subnet) -> str:
    parts = [
        f'{quantity(value)} {words(key)}; it has {quantity(subnet.cost[key])} '
        f'({subnet.cost[key] / value - 1:+.2%})'
        for key, value in (subnet.target or {}).items()
        if key in subnet.cost
    ]
    return 'The target was ' + ', and '.join(parts) + '.' if parts else ''


def _units_table(subnet: Subnet) -> Grid:
    return Grid(
        ['unit', 'channels', 'of', 'ratio'],
        [
            [name, str(u.channels), str(u.of), f'{u.channels / u.of:.0%}']
            for name, u in subnet.units.items()
        ],
    )


def _candidates(folder: RunFolder, budget: BudgetRecord) -> Section | None:
    if len(budget.candidates) < 2:
        return None
    measure = next(iter(budget.target))
    metrics = list(dict.fromkeys(k for c in budget.candidates for k in c.metrics))
    rows = [
        [
            c.name,
            quantity(c.cost[measure]),
            f'{c.cost[measure] / budget.target[measure] - 1:+.2%}',
            *(_number(c.metrics.get(key)) for key in metrics),
        ]
        for c in budget.candidates
    ]
    names = [c.name for c in budget.candidates]
    section = Section(
        f'Candidates for {budget.name}',
        beside=True,
        texts=[
            'Networks within tolerance of the target, each with batch-norm '
            'statistics of its own, evaluated on the validation data. The one '
            'in bold was written.'
        ],
        tables=[
            Grid(
                ['candidate', words(measure), 'off target', *metrics],
                rows,
                marked=names.index(budget.chosen) if budget.chosen in names else None,
            )
        ],
    )
    figure = draw_candidates(folder.record, budget) if folder.record else None
    if figure is not None:
        section.pictures.append(
            Picture(f'candidates-{budget.name}', 'Cost and score of each.', figure)
        )
    return section


# ---- how it went, how it was made ------------------------------------


def _during(folder: RunFolder) -> Section | None:
    pictures: list[Picture] = []
    record = folder.record
    for budget in record.budgets if record else []:
        assert record is not None
        if len(budget.history) > 1:
            pictures.append(
                Picture(
                    f'cost-{budget.name}',
                    f'Expected cost on the way to {budget.name}.',
                    draw_cost(record, budget),
                )
            )
        if budget.history and budget.history[-1].marginals:
            pictures.append(
                Picture(
                    f'chains-{budget.name}',
                    'The chains: the probability that a channel is kept, for the '
                    'channels of every unit from the first to the last.',
                    draw_marginals(record.units, budget),
                )
            )
    curves: dict[str, tuple[str, Any, str]] = {
        'losses': ('Losses of training.', LOSSES.get, 'loss'),
        'validation': ('Validation.', _validation_label, 'metric'),
    }
    for name, (caption, chosen, what) in curves.items():
        figure = draw_scalars(folder.scalars, chosen, what)
        if figure is not None:
            pictures.append(Picture(name, caption, figure))
    return Section('While it ran', pictures=pictures) if pictures else None


def _validation_label(key: str) -> str | None:
    """Metrics are the keys that neither training nor the clock writes."""
    first, _, rest = key.partition('/')
    own = ('arch', 'gate', 'loss', 'architecture', 'mutator', 'search', 'width')
    return key if rest and first not in own else None


def _made(folder: RunFolder) -> Section:
    record = folder.record
    rows = [['work dir', str(folder.path.resolve())]]
    if record is not None:
        rows += [[key, value] for key, value in record.made.items()]
        rows.append(['input', ' x '.join(map(str, record.input_shape))])
    section = Section(
        'How it was made', _absent(folder), [Grid(['', ''], rows, wordy=True)]
    )
    if folder.config:
        section.folded.append(Folded('The config', folder.config))
    return section


def _absent(folder: RunFolder) -> list[str]:
    """What the report would also show, and how to get it."""
    lines = []
    if folder.record is None:
        lines.append(
            'There is no search.json, so shares of the full network, chains and '
            'candidates are not shown: the run was made by an older version.'
        )
    if folder.latency is None:
        lines.append(
            'Latency was not measured; mmdmcp latency CONFIG --out '
            f'{folder.path}/latency.json does, and the next report shows it.'
        )
    return lines


def _quantity(cost: float | None) -> str:
    return '' if cost is None else quantity(cost)


def _mebibytes(size: int | None) -> str:
    return '' if size is None else f'{size / 2**20:,.2f} MiB'


def _number(value: float | None) -> str:
    return '' if value is None else f'{float(value):#.4g}'
