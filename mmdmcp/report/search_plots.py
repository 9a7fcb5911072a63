"""Pictures of a search: its chains, its curves, its candidates."""

import re
from collections.abc import Callable, Mapping, Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from .record import BudgetRecord, SearchRecord, UnitRecord
from .style import COLOURS, INK, new_figure, percent_axis, short_names

_ROW = 0.2  # inches a unit
#: Values of a log, what they are called in a picture, and in which order.
LOSSES = {
    'loss': 'widest network',
    'loss_min': 'narrowest',
    'loss_sampled1': 'sampled',
    'arch/loss': 'chains',
}


def loss_label(key: str) -> str | None:
    """What a loss is called; None for other values of a log. Chains of several
    budgets have a loss each, ``arch/<budget>/loss``."""
    several = re.fullmatch(r'arch/([^/]+)/loss', key)
    return f'chains, {several[1]}' if several else LOSSES.get(key)


def draw_marginals(units: Sequence[UnitRecord], budget: BudgetRecord) -> Figure:
    """A heat map of the chains: how likely every channel of a unit is kept.

    Marks show the expected width at the start and now, and the width that
    was chosen.
    """
    start, now = budget.history[0], budget.history[-1]
    chosen = next((c for c in budget.candidates if c.name == budget.chosen), None)
    with new_figure(1.15 + len(units) * _ROW) as figure:
        axes = figure.subplots()
        for row, (unit, kept) in enumerate(zip(units, now.marginals)):
            edges = [0, *unit.widths]
            for left, right, kept_ratio in zip(edges, edges[1:], [1.0, *kept]):
                axes.barh(
                    row,
                    (right - left) / unit.of,
                    left=left / unit.of,
                    height=0.8,
                    color=COLOURS[0],
                    alpha=min(max(kept_ratio, 0.0), 1.0),
                    linewidth=0,
                )
        rows = range(len(units))

        def mark(widths: Sequence[float], marker: str, colour: str, label: str):
            axes.scatter(
                [width / unit.of for width, unit in zip(widths, units)],
                rows,
                marker=marker,
                s=22,
                color=colour,
                linewidth=1.3,
                label=label,
                zorder=3,
                clip_on=False,
            )

        mark(start.widths, '|', INK, 'expected at the start')
        mark(now.widths, 'x', COLOURS[1], 'expected now')
        if chosen is not None:
            mark(chosen.widths, 'd', COLOURS[4], 'chosen')
        names = short_names([unit.name for unit in units])
        axes.set_yticks(rows, names, fontsize=7)
        axes.set_ylim(len(units) - 0.4, -0.6)
        axes.set_xlim(0, 1)
        axes.set_xlabel('channels; the stronger the colour, the likelier kept')
        percent_axis(axes.xaxis)
        axes.tick_params(axis='y', length=0)
        figure.legend(loc='outside upper left', ncols=3, columnspacing=1.0)
    return figure


def draw_candidates(record: SearchRecord, budget: BudgetRecord) -> Figure | None:
    """What each candidate costs and scores; None where nothing scored."""
    key = budget.rank_by
    found = [c for c in budget.candidates if key and c.metrics.get(key) is not None]
    if not found or key is None:
        return None
    measure = next(iter(budget.target))
    full = record.full.cost[measure]
    with new_figure(2.7) as figure:
        axes = figure.subplots()
        for number, candidate in enumerate(found):
            best = candidate.name == budget.chosen
            place = (candidate.cost[measure] / full, candidate.metrics[key])
            axes.scatter(
                *place,
                s=70 if best else 28,
                marker='*' if best else 'o',
                color=COLOURS[1] if best else COLOURS[0],
                zorder=3,
            )
            axes.annotate(
                f'{candidate.name}{" (chosen)" if best else ""}',
                place,
                (6, (5, -8)[number % 2]),  # close ones don't cover each other
                textcoords='offset points',
                fontsize=7,
            )
        axes.axvline(budget.target[measure] / full, color=INK, linewidth=0.8, ls=':')
        axes.set_xlabel(f'{words(measure)}, of the full network; dotted: the target')
        axes.set_ylabel(key)
        axes.margins(0.18)
        percent_axis(axes.xaxis)
        axes.locator_params(axis='x', nbins=4)
        axes.grid(visible=True, axis='both')
    return figure


def draw_frontier(
    record: SearchRecord, trained: Mapping[str, Mapping[str, float]]
) -> Figure | None:
    """What each budget's subnet costs and scores; None of fewer than two.

    Args:
        record: A search for several budgets.
        trained: Metrics of networks that were trained or tested elsewhere;
            those called as a subnet are drawn, too.
    """
    measure = next(iter(record.budgets[0].target))
    key = next((b.rank_by for b in record.budgets if b.rank_by), None)
    found = [
        (budget, chosen)
        for budget in record.budgets
        for chosen in budget.candidates
        if chosen.name == budget.chosen and chosen.metrics.get(key or '') is not None
    ]
    if len(found) < 2 or key is None:
        return None
    full = record.full.cost[measure]
    series = {
        'in the search': [(c.cost[measure] / full, c.metrics[key]) for _, c in found],
        'trained': [
            (chosen.cost[measure] / full, trained[budget.name][key])
            for budget, chosen in found
            if key in trained.get(budget.name, {})
        ],
    }
    with new_figure(2.9) as figure:
        axes = figure.subplots()
        others = [
            (c.cost[measure] / full, c.metrics[key])
            for budget, chosen in found
            for c in budget.candidates
            if c is not chosen and c.metrics.get(key) is not None
        ]
        if others:
            x, y = zip(*others)
            axes.scatter(x, y, s=10, color=INK, alpha=0.35, label='other candidates')
        whole = record.full.metrics.get(key)
        if whole is not None:
            axes.scatter(1, whole, marker='s', s=28, color=INK, label='full network')
        for colour, (label, points) in zip(COLOURS, series.items()):
            if points:
                axes.plot(
                    *zip(*sorted(points)), 'o-', color=colour, markersize=5, label=label
                )
        for _, chosen in found:
            axes.annotate(
                f'{chosen.cost[measure] / full:.0%}',
                (chosen.cost[measure] / full, chosen.metrics[key]),
                (4, -11),
                textcoords='offset points',
                fontsize=7,
            )
        axes.set_xlabel(f'{words(measure)}, of the full network')
        axes.set_ylabel(key)
        axes.margins(0.1)
        percent_axis(axes.xaxis)
        axes.grid(visible=True, axis='both')
        axes.legend()
    return figure


def draw_cost(record: SearchRecord, budget: BudgetRecord) -> Figure:
    """Expected cost over the iterations, beside the target."""
    with new_figure(2.2) as figure:
        axes = figure.subplots()
        steps = [moment.iteration for moment in budget.history]
        for colour, measure in zip(COLOURS, budget.target):
            full = record.full.cost[measure]
            axes.plot(
                steps,
                [moment.cost[measure] / full for moment in budget.history],
                color=colour,
                label=words(measure),
            )
            axes.axhline(
                budget.target[measure] / full, color=colour, ls=':', linewidth=1
            )
        _iterations(axes, 'expected cost, of full', percent=True)
        axes.legend(title='dotted: the target')
    return figure


def draw_scalars(
    scalars: Sequence[dict], chosen: Callable[[str], str | None], what: str
) -> Figure | None:
    """Curves out of a log; None where it has none of them.

    Args:
        scalars: Rows of MMEngine's ``scalars.json``.
        chosen: The label of a key, or None for a key to leave out.
        what: Words for the axis.
    """
    keys = dict.fromkeys(key for row in scalars for key in row if chosen(key))
    curves = {
        key: [(r['step'], r[key]) for r in scalars if _is_number(r, key)]
        for key in keys
    }
    curves = {key: points for key, points in curves.items() if points}
    if not curves:
        return None
    with new_figure(2.2) as figure:
        axes = figure.subplots()
        for colour, (key, points) in zip(COLOURS, curves.items()):
            axes.plot(
                *zip(*points),
                color=colour,
                marker='o' if len(points) < 15 else None,
                markersize=3,
                linewidth=1.2,
                label=chosen(key),
            )
        _iterations(axes, what)
        axes.legend(ncols=2 if len(curves) > 2 else 1)
    return figure


def words(measure: str) -> str:
    """A measure as people call it."""
    known = dict(macs='FLOPs', params='parameters', latency_us='predicted latency')
    return known.get(measure, measure)


def _is_number(row: dict, key: str) -> bool:
    value = row.get(key)
    return isinstance(value, (int, float)) and value - value == 0 and 'step' in row


def _iterations(axes: Axes, what: str, percent: bool = False) -> None:
    axes.set_xlabel('iteration')
    axes.set_ylabel(what)
    axes.grid(visible=True, axis='y')
    if percent:
        percent_axis(axes.yaxis)
