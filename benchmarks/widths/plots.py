"""Plots of the results."""

import statistics
from collections.abc import Mapping, Sequence
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from .tables import Table

# Okabe and Ito's palette, which colour-blind readers tell apart.
_COLOURS = ('#0072B2', '#E69F00', '#009E73', '#CC79A7', '#D55E00', '#56B4E9', '#000000')
#: What needs no search: lines to compare lengths with.
_FLOORS = ('uniform', 'pyramid', 'smoothed')


def cloud(table: Table, title: str, found: Sequence[dict], path: Path) -> None:
    """Accuracy over FLOPs: every network of the table, and those found, without
    variants of an arm, such as `votes_evolved` beside `votes`."""
    figure, axes = _figure()
    axes.plot(table.macs / 1e6, table.accuracy, ',', color='#BBBBBB', rasterized=True)
    arms = sorted({r['arm'] for r in found if r['widths']})
    arms = [a for a in arms if not any(a.startswith(f'{other}_') for other in arms)]
    for number, arm in enumerate(arms):
        rows = [table.row(r['widths']) for r in found if r['arm'] == arm]
        axes.plot(
            table.macs[rows] / 1e6,
            table.accuracy[rows],
            'osD^v<>P'[number % 8],
            color=_COLOURS[number % len(_COLOURS)],
            markersize=6,
            markeredgecolor='white',
            markeredgewidth=0.5,
            label=arm,
        )
    shown = [r['share'] for r in found]
    low, high = 0.7 * min(shown), min(1.0, 1.3 * max(shown))
    inside = (table.macs >= low * table.full_macs) & (
        table.macs <= high * table.full_macs
    )
    axes.set_xlim(low * table.full_macs / 1e6, high * table.full_macs / 1e6)
    axes.set_ylim(
        sorted(table.accuracy[inside])[inside.sum() // 50],
        table.accuracy[inside].max() + 0.2,
    )
    axes.set_xlabel('FLOPs (M multiply-accumulates)')
    axes.set_ylabel('test accuracy after full training, %')
    axes.set_title(f'{title}: {len(table.macs):,} networks', fontsize=10)
    _save(figure, path)


def lengths(
    arms: Mapping[str, Sequence[Sequence[dict]]],
    title: str,
    found: Sequence[dict],
    path: Path,
) -> None:
    """Smoothed percentile over the price of a search: the mean over targets and seeds,
    with the range of single results, beside what needs no search.

    Args:
        arms: Results of each arm, length by length.
        title: Of the table.
        found: All results of the table.
        path: Of the picture.
    """
    figure, axes = _figure()
    targets = {r['share'] for groups in arms.values() for r in groups[0]}
    for floor in _FLOORS:
        rows = [r for r in found if r['arm'] == floor and r['share'] in targets]
        if rows:
            mean = statistics.mean(r['smoothed'] for r in rows)
            axes.axhline(mean, color='#BBBBBB', linewidth=1, zorder=0)
            axes.annotate(
                floor,
                (1, mean),
                xycoords=axes.get_yaxis_transform(),
                textcoords='offset points',
                xytext=(4, 0),
                va='center',
                color='#666666',
                fontsize=8,
            )
    for number, (arm, groups) in enumerate(sorted(arms.items())):
        prices = [statistics.mean(r['epochs'] for r in group) for group in groups]
        found_at = [[r['smoothed'] for r in group] for group in groups]
        means = [statistics.mean(each) for each in found_at]
        away = (
            [mean - min(each) for mean, each in zip(means, found_at)],
            [max(each) - mean for mean, each in zip(means, found_at)],
        )
        axes.errorbar(
            prices,
            means,
            away,
            marker='o',
            capsize=3,
            color=_COLOURS[number % len(_COLOURS)],
            label=arm,
        )
        for group, price in zip(groups, prices):
            axes.annotate(
                str(group[0]['iterations']),
                (price, 0.02 + 0.04 * number),
                xycoords=axes.get_xaxis_transform(),
                ha='center',
                color=_COLOURS[number % len(_COLOURS)],
                fontsize=8,
            )
    axes.set_xscale('log')
    axes.xaxis.set_major_formatter('{x:g}')
    axes.set_ylim(0, 102)
    axes.set_xlabel(
        'price of a target, plain epochs; numbers: iterations of the search'
    )
    axes.set_ylabel('smoothed percentile among networks of equal FLOPs')
    axes.set_title(f'{title}: how long a search has to be', fontsize=10)
    _save(figure, path)


def _figure() -> tuple[Figure, Axes]:
    figure = Figure(figsize=(8, 4.5), layout='constrained')
    FigureCanvasAgg(figure)
    return figure, figure.subplots()


def _save(figure: Figure, path: Path) -> None:
    figure.axes[0].spines[['top', 'right']].set_visible(False)
    figure.legend(loc='outside right upper', frameon=False, fontsize=8)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=110)
