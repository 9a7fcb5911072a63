"""The sections of a report: what was found, how it went, how it was made."""

from collections.abc import Mapping
from typing import Any

from ..subnet import Subnet
from .page import Folded, Grid, Picture, Section
from .plots import draw_saved, draw_widths
from .record import BudgetRecord
from .run_folder import RunFolder
from .search_plots import (
    draw_candidates,
    draw_cost,
    draw_frontier,
    draw_marginals,
    draw_scalars,
    loss_label,
    words,
)
from .tables import amount

# ---- what was found --------------------------------------------------


def frontier_section(
    folder: RunFolder, trained: Mapping[str, Mapping[str, float]]
) -> Section | None:
    """What the subnets of several budgets cost and score; None of one."""
    record = folder.record
    if record is None or len(record.budgets) < 2:
        return None
    figure = draw_frontier(record, trained)
    if figure is None:
        return None
    caption = (
        'What each subnet costs and scores, beside the candidates it was chosen of.'
    )
    return Section('The frontier', pictures=[Picture('frontier', caption, figure)])


def subnet_section(folder: RunFolder, name: str) -> Section:
    """A subnet: its widths, and where its cost was saved."""
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
        f'{amount(key, value)} {words(key)}; it has {amount(key, subnet.cost[key])} '
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


def candidates_section(folder: RunFolder, budget: BudgetRecord) -> Section | None:
    """The candidates for a budget; None where there was no choice."""
    if len(budget.candidates) < 2:
        return None
    measure = next(iter(budget.target))
    metrics = list(dict.fromkeys(k for c in budget.candidates for k in c.metrics))
    rows = [
        [
            c.name,
            amount(measure, c.cost[measure]),
            f'{c.cost[measure] / budget.target[measure] - 1:+.2%}',
            *(number(c.metrics.get(key)) for key in metrics),
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


def during_section(folder: RunFolder) -> Section | None:
    """The course of the search; None if nothing was noted."""
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
        'losses': ('Losses of training.', loss_label, 'loss'),
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


def origin_section(folder: RunFolder) -> Section:
    """Config, versions, seed and command."""
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


def number(value: float | None) -> str:
    """A metric; nothing where there is none."""
    return '' if value is None else f'{float(value):#.4g}'
