"""A picture of the results: how far each arm is above uniform widths."""

import statistics
from collections.abc import Mapping, Sequence
from pathlib import Path

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

# Okabe and Ito's palette, which colour-blind readers tell apart.
_BLUE, _GREY = '#0072B2', '#999999'


def differences(
    targets: Mapping[float, Mapping[str, Sequence[float]]], title: str, path: Path
) -> None:
    """A panel for each target, a row for each arm: the difference of every seed,
    and their mean.

    Args:
        targets: Differences of test accuracies in points, seed by seed, of
            each arm at each ratio of the full network's FLOPs.
        title: Of the network.
        path: Of the picture.
    """
    rows = max(len(arms) for arms in targets.values())
    figure = Figure(figsize=(8, 1.2 + 0.32 * rows), layout='constrained')
    FigureCanvasAgg(figure)
    panels = figure.subplots(1, len(targets), sharex=True, squeeze=False)[0]
    for panel, (share, arms) in zip(panels, sorted(targets.items(), reverse=True)):
        panel.axvline(0, color=_GREY, linewidth=1, zorder=0)
        means = {arm: statistics.mean(found) for arm, found in arms.items()}
        names = sorted(arms, key=means.__getitem__)
        for row, arm in enumerate(names):
            found = arms[arm]
            panel.plot(found, [row] * len(found), 'o', color=_GREY, markersize=4)
            panel.plot(means[arm], row, 'D', color=_BLUE, markersize=7)
            panel.annotate(
                f'{means[arm]:+.2f}',
                (1, row),
                xycoords=panel.get_yaxis_transform(),
                textcoords='offset points',
                xytext=(4, 0),
                va='center',
                color=_BLUE,
                fontsize=8,
            )
        panel.set_yticks(range(len(names)), names, fontsize=9)
        panel.set_ylim(-0.6, len(names) - 0.4)
        panel.set_title(f'{share:.0%} of the FLOPs', fontsize=10)
        panel.set_xlabel('points above uniform widths')
        panel.spines[['top', 'right']].set_visible(False)
    figure.suptitle(f'{title}: mean (blue) and each seed', fontsize=10)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=110)
