"""Pictures of what a search found."""

from collections.abc import Sequence
from pathlib import Path

from ..errors import SubnetError
from ..subnet import Subnet

# Unpruned outlines, then one colour a subnet: Okabe and Ito's palette, which
# colour-blind readers tell apart.
_OUTLINE = '#999999'
_COLOURS = ('#0072B2', '#E69F00', '#009E73', '#CC79A7')


def plot_widths(subnets: Sequence[Subnet], labels: Sequence[str], path: Path) -> None:
    """Draw how many channels each unit keeps, subnets side by side.

    Args:
        subnets: One to four subnets of the same network.
        labels: Their names.
        path: Picture to write; the suffix decides the format.

    Raises:
        SubnetError: If they are of different networks, or more than four.
    """
    names = list(subnets[0].units)
    if any(list(s.units) != names for s in subnets):
        raise SubnetError(
            'the subnets have different units: they were made '
            "from different networks and can't be compared"
        )
    if len(subnets) > len(_COLOURS):
        raise SubnetError(
            f'{len(subnets)} subnets; at most {len(_COLOURS)} fit into one picture'
        )
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(
        figsize=(8, 1.2 + len(names) * 0.12 * (1 + len(subnets))), layout='constrained'
    )
    FigureCanvasAgg(figure)
    axes = figure.subplots()
    height = 0.8 / len(subnets)
    full = [subnets[0].units[name].of for name in names]
    axes.barh(
        range(len(names)),
        full,
        height=0.8,
        fill=False,
        linewidth=0.6,
        edgecolor=_OUTLINE,
        label='full',
    )
    for i, (subnet, label) in enumerate(zip(subnets, labels)):
        widths = [subnet.units[name].channels for name in names]
        offset = (i - (len(subnets) - 1) / 2) * height
        macs = f'{subnet.cost["macs"] / 1e6:,.1f} M FLOPs'
        axes.barh(
            [y + offset for y in range(len(names))],
            widths,
            height=height,
            color=_COLOURS[i],
            label=f'{label}, {macs}',
        )
        if len(subnets) == 1:
            for y, (width, of) in enumerate(zip(widths, full)):
                axes.annotate(
                    f'{width} of {of}',
                    (of, y),
                    (3, 0),
                    textcoords='offset points',
                    va='center',
                    fontsize=6,
                )
    axes.set_yticks(range(len(names)), names, fontsize=7)
    axes.set_ylim(len(names) - 0.4, -0.6)
    axes.set_xlabel('channels')
    axes.set_xlim(0, max(full) * 1.12)
    axes.spines[['top', 'right']].set_visible(False)
    figure.legend(loc='outside upper center', ncols=2, frameon=False, fontsize=8)
    figure.savefig(path, dpi=150)
