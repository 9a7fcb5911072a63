"""An HTML page of tables and pictures that is one file and needs no network."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from matplotlib.figure import Figure

from ..files import atomic_file
from .style import save, titled, to_svg

_TEMPLATE = 'page.html.jinja'


@dataclass
class Grid:
    """A table.

    Attributes:
        head: Words above the columns.
        rows: Words, row by row.
        caption: Words above it.
        marked: Index of a row that is set off; None for none.
        wordy: Whether cells hold sentences rather than numbers.
    """

    head: Sequence[str]
    rows: Sequence[Sequence[str]]
    caption: str = ''
    marked: int | None = None
    wordy: bool = False


@dataclass
class Picture:
    """A figure.

    Attributes:
        name: Of its files, and unique in the page.
        caption: What is to be seen.
        figure: The figure.
    """

    name: str
    caption: str
    figure: Figure

    @cached_property
    def drawn(self) -> str:
        """As SVG text."""
        return to_svg(self.figure, self.name)

    @property
    def svg(self) -> str:
        """As part of the page."""
        return titled(self.drawn, self.caption)

    def save(self, folder: Path) -> None:
        """Write it as SVG and as PNG."""
        text = titled(self.drawn, self.caption, alone=True)
        (folder / f'{self.name}.svg').write_text(text)
        save(self.figure, folder / f'{self.name}.png', self.caption)


@dataclass
class Folded:
    """What is hidden until it is asked for: a table or a text."""

    title: str
    text: str = ''
    table: Grid | None = None


@dataclass
class Section:
    """A part of the page, in the order: texts, tables, pictures, folded.

    Attributes:
        beside: Whether tables and pictures stand abreast where there is room.
    """

    title: str
    texts: list[str] = field(default_factory=list)
    tables: list[Grid] = field(default_factory=list)
    pictures: list[Picture] = field(default_factory=list)
    folded: list[Folded] = field(default_factory=list)
    beside: bool = False


@dataclass
class Page:
    """The whole page.

    Attributes:
        title: Its heading.
        subtitle: A line below it.
        cards: The few numbers that matter, each with its words.
        sections: What follows.
    """

    title: str
    subtitle: str
    cards: list[tuple[str, str]] = field(default_factory=list)
    sections: list[Section] = field(default_factory=list)

    def html(self) -> str:
        """The page as text."""
        environment = Environment(
            loader=FileSystemLoader(Path(__file__).parent),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        return environment.get_template(_TEMPLATE).render(**vars(self))

    def write(self, path: Path, pictures: Path | None = None) -> None:
        """Write the page and, into a folder, its pictures as PNG and SVG.

        Args:
            path: The ``.html`` file.
            pictures: Folder for the pictures; None writes none.

        Raises:
            OSError: If something can't be written.
        """
        with atomic_file(path) as file:
            file.write(self.html().encode())
        if pictures is None:
            return
        pictures.mkdir(parents=True, exist_ok=True)
        for section in self.sections:
            for picture in section.pictures:
                picture.save(pictures)
