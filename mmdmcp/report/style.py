"""How pictures look: one size of letters, colours for every eye, day and night.

Figures are narrow enough to be read on a phone and stand two abreast on a
desk. What is drawn in :data:`INK` takes the colour of the text around it
where the picture is part of a page; the background stays transparent.
"""

import io
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from html import escape
from pathlib import Path

from matplotlib import rc_context
from matplotlib.axis import Axis
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter

#: Letters and axes. Replaced by the colour of the page's text.
INK = '#24292f'
#: Okabe and Ito's palette, which colour-blind readers tell apart, in an order
#: that is legible on white and on black.
COLOURS = ('#0072B2', '#D55E00', '#009E73', '#CC79A7', '#E69F00', '#56B4E9')
WIDTH = 4.8  # inches
_SETTINGS = {
    'font.size': 8.5,
    'axes.labelsize': 8.5,
    'axes.titlesize': 9,
    'xtick.labelsize': 8,
    'ytick.labelsize': 8,
    'legend.fontsize': 8,
    'legend.frameon': False,
    'axes.spines.top': False,
    'axes.spines.right': False,
    'axes.axisbelow': True,
    'axes.grid.axis': 'x',
    'axes.linewidth': 0.6,
    'grid.linewidth': 0.5,
    'grid.alpha': 0.25,
    'svg.fonttype': 'none',  # letters stay letters: sharp, and found by search
    **dict.fromkeys(
        (
            'text.color',
            'axes.edgecolor',
            'axes.labelcolor',
            'axes.titlecolor',
            'grid.color',
            'xtick.color',
            'ytick.color',
        ),
        INK,
    ),
}
_DARK = (
    '<style>svg{color:#24292f}@media (prefers-color-scheme:dark){svg{color:#d8dee6}}'
    '</style>'
)


@contextmanager
def new_figure(height: float, width: float = WIDTH) -> Iterator[Figure]:
    """A figure to draw on, in this style and in no global state.

    Args:
        height: In inches.
        width: In inches.
    """
    with rc_context(_SETTINGS):
        figure = Figure(figsize=(width, height), layout='constrained')
        FigureCanvasAgg(figure)
        yield figure


def to_svg(figure: Figure, name: str) -> str:
    """A figure as SVG text that follows the colours of its page.

    Args:
        figure: The figure.
        name: Unique in the page: identifiers inside are made from it.
    """
    buffer = io.StringIO()
    with rc_context({**_SETTINGS, 'svg.hashsalt': name}):
        figure.savefig(buffer, format='svg', transparent=True, metadata={'Date': None})
    # One arrangement does for all formats, and arranging takes longest.
    figure.set_layout_engine('none')
    text = buffer.getvalue()
    text = text[text.index('<svg') :].replace(INK, 'currentColor')
    # Two pictures of a page must not share identifiers.
    return re.sub(r'(\bid="|href="#|url\(#)', rf'\g<1>{name}-', text)


def titled(svg: str, title: str, alone: bool = False) -> str:
    """SVG text with words for those who can't see it.

    Args:
        svg: What :func:`to_svg` gave.
        title: What is to be seen.
        alone: Whether it becomes a file: it then brings its own colours and
            its size.
    """
    head, body = svg.split('>', 1)
    kept = r' (?:viewBox|width|height)="[^"]*"' if alone else r' viewBox="[^"]*"'
    size = ''.join(re.findall(kept, head))
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" '
        f'xmlns:xlink="http://www.w3.org/1999/xlink"{size} role="img" '
        f'aria-label="{escape(title)}">{_DARK if alone else ""}'
        f'<title>{escape(title)}</title>{body}'
    )


def save(figure: Figure, path: Path, title: str) -> None:
    """Write a picture; the suffix decides the format.

    Raises:
        OSError: If it can't be written.
        ValueError: If matplotlib does not know the format.
    """
    if path.suffix == '.svg':
        path.write_text(titled(to_svg(figure, path.stem), title, alone=True))
    else:
        with rc_context(_SETTINGS):
            figure.savefig(path, dpi=150, facecolor='white')


def short_names(names: Sequence[str]) -> list[str]:
    """Names without the first part that most of them share.

    Example:
        >>> short_names(['backbone.conv1', 'backbone.layer1.0.conv1', 'head.fc'])
        ['conv1', 'layer1.0.conv1', 'head.fc']
    """
    names = list(names)
    while True:
        (first, count), *_ = Counter(n.partition('.')[0] for n in names).most_common(1)
        short = [name.removeprefix(f'{first}.') for name in names]
        if count < 2 or 2 * count <= len(names) or len(set(short)) < len(set(names)):
            return names
        if short == names:
            return names
        names = short


def percent_axis(axis: Axis) -> None:
    """Show shares as percentages, with as many decimals as they need."""
    axis.set_major_formatter(PercentFormatter(1, decimals=None))
