"""A picture of what a network loses with each of its units."""

from collections.abc import Sequence

from matplotlib.figure import Figure

from .style import COLOURS, INK, new_figure, short_names

_ROW = 0.2  # inches a unit
_MARKERS = 'osD^vP'


def draw_sensitivity(
    names: Sequence[str],
    ratios: Sequence[float],
    losses: Sequence[Sequence[float]],
) -> Figure:
    """Units from top to bottom, what is lost from left to right.

    Args:
        names: Of the units.
        ratios: Ratios of its channels that a unit kept.
        losses: Of each unit, one for each ratio.
    """
    with new_figure(1.0 + len(names) * _ROW) as figure:
        axes = figure.subplots()
        for row, unit in enumerate(losses):
            ends = min(0.0, *unit), max(0.0, *unit)
            axes.plot(ends, (row, row), color=INK, alpha=0.25, linewidth=1)
        for i, ratio in enumerate(ratios):
            axes.scatter(
                [unit[i] for unit in losses],
                range(len(names)),
                s=16,
                marker=_MARKERS[i % len(_MARKERS)],
                color=COLOURS[i % len(COLOURS)],
                label=f'{ratio:.0%} kept',
                zorder=3,
            )
        axes.axvline(0, color=INK, linewidth=0.6)
        axes.set_yticks(range(len(names)), short_names(names), fontsize=7)
        axes.set_ylim(len(names) - 0.4, -0.6)
        axes.set_xlabel('lost of the score when this unit alone is narrowed')
        axes.tick_params(axis='y', length=0)
        axes.grid(visible=True, axis='x')
        figure.legend(loc='outside upper left', ncols=len(ratios), columnspacing=1.0)
    return figure
