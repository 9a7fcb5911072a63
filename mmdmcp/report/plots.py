"""Pictures of widths and of where the cost went."""

from collections.abc import Sequence
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ..errors import SubnetError
from ..subnet import Subnet
from .style import COLOURS, INK, new_figure, percent_axis, save, short_names
from .tables import quantity

_ROW = 0.19  # inches a bar


def plot_widths(subnets: Sequence[Subnet], labels: Sequence[str], path: Path) -> None:
    """Draw which share of its channels each unit keeps, subnets side by side.

    Args:
        subnets: One to four subnets of the same network.
        labels: Their names.
        path: Picture to write; the suffix decides the format.

    Raises:
        SubnetError: If they are of different networks, or more than four.
        OSError: If the picture can't be written.
        ValueError: If the suffix names no format.
    """
    save(draw_widths(subnets, labels), path, 'channels kept in each unit')


def draw_widths(subnets: Sequence[Subnet], labels: Sequence[str]) -> Figure:
    """The figure of :func:`plot_widths`."""
    require_same_network(subnets)
    most = 4
    if len(subnets) > most:
        raise SubnetError(
            f'{len(subnets)} subnets; at most {most} fit into one picture'
        )
    names, count = list(subnets[0].units), len(subnets)
    with new_figure(0.9 + 0.2 * count + len(names) * _ROW * (0.55 + 0.45 * count)) as f:
        axes = f.subplots()
        height = 0.84 / count
        for i, (subnet, label) in enumerate(zip(subnets, labels)):
            units = list(subnet.units.values())
            places = [y + (i - (count - 1) / 2) * height for y in range(len(names))]
            _bars(
                axes,
                places,
                [u.channels / u.of for u in units],
                [_words(u.channels, u.of) for u in units],
                height,
                COLOURS[i],
                f'{label}: {quantity(subnet.cost["macs"])} FLOPs, '
                f'{quantity(subnet.cost["params"])} parameters',
            )
        _share_axis(axes, short_names(names), 'channels kept')
        f.legend(loc='outside upper left', ncols=1)
    return f


def draw_saved(
    names: Sequence[str], full: Sequence[int], kept: Sequence[int]
) -> Figure:
    """Where the cost was saved: each layer's FLOPs before and after.

    Args:
        names: Of the layers, in the order of the network.
        full: Multiply-accumulates of each in the full network.
        kept: The same in the pruned network.
    """
    total = sum(full)
    with new_figure(0.9 + len(names) * _ROW) as figure:
        axes = figure.subplots()
        axes.barh(
            range(len(names)),
            [x / total for x in full],
            height=0.8,
            color=INK,
            alpha=0.18,
            label='full network',
        )
        _bars(
            axes,
            range(len(names)),
            [x / total for x in kept],
            [f'{x / y - 1:+.0%}' if x != y else 'whole' for x, y in zip(kept, full)],
            0.8,
            COLOURS[0],
            'pruned network',
            [max(x, y) / total for x, y in zip(full, kept)],
        )
        _share_axis(
            axes,
            short_names(names),
            'of the full network’s FLOPs',
            1.2 * max(full) / total,
        )
        figure.legend(loc='outside upper left', ncols=2)
    return figure


def require_same_network(subnets: Sequence[Subnet]) -> None:
    """Raise unless all subnets were made from one network.

    Raises:
        SubnetError: If they have different units.
    """

    def units(subnet: Subnet) -> list[tuple[str, int]]:
        return [(name, unit.of) for name, unit in subnet.units.items()]

    if any(units(subnet) != units(subnets[0]) for subnet in subnets):
        raise SubnetError(
            'the subnets have different units: they were made '
            "from different networks and can't be compared"
        )


def _words(channels: int, of: int) -> str:
    return f'{channels}/{of} · {channels / of:.0%}'


def _bars(
    axes: Axes,
    places: Sequence[float],
    shares: Sequence[float],
    words: Sequence[str],
    height: float,
    colour: str,
    label: str,
    ends: Sequence[float] | None = None,
) -> None:
    """Horizontal bars with words behind them, or behind ``ends``."""
    axes.barh(places, shares, height=height * 0.92, color=colour, label=label)
    for place, end, text in zip(places, ends or shares, words):
        axes.annotate(
            text,
            (end, place),
            (3, 0),
            textcoords='offset points',
            va='center',
            fontsize=6.5,
        )


def _share_axis(
    axes: Axes, names: Sequence[str], what: str, end: float | None = None
) -> None:
    """Names from top to bottom, shares from left to right, to 100 % or to an
    end of their own."""
    axes.set_yticks(range(len(names)), names, fontsize=7)
    axes.set_ylim(len(names) - 0.4, -0.6)
    axes.set_xlim(0, end or 1.28)  # room for the words behind a full bar
    axes.set_xlabel(what)
    percent_axis(axes.xaxis)
    if end is None:
        axes.set_xticks([0, 0.25, 0.5, 0.75, 1])
    axes.tick_params(axis='y', length=0)
    axes.grid(visible=True, axis='x')
