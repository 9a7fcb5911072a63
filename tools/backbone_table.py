#!/usr/bin/env python
"""Write the table of docs/backbones.md.

    python tools/backbone_table.py [FAMILY ...] [--check]

Every family is searched for one step and rebuilt at random widths, as the
tests do it. Without names all families are measured, which takes some
minutes; with names only their rows are replaced. ``--check`` writes nothing
and fails if the table would change.
"""

import argparse
import re
import sys
import warnings
from collections.abc import Callable
from importlib import import_module
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / 'docs' / 'backbones.md'
BEGIN, END = '<!-- table: begin -->', '<!-- table: end -->'
HEADER = (
    '| family | units | channels | full | smallest | exact cost | '
    'same output | chains learn | left whole |\n'
    '|---|---|---|---|---|---|---|---|---|'
)


def row(family: str) -> str:
    """One line of the table."""
    from backbones.facts import measure

    from mmdmcp.errors import TraceError

    try:
        facts = measure(family)
    except TraceError as error:
        return f'| {family} | 0 | | | | | | | {escape(str(error))} |'
    cells = [
        family,
        facts.units,
        facts.channels,
        f'{facts.full / 1e6:.1f} M',
        f'{100 * facts.least / facts.full:.1f} %',
        mark(facts.exact_cost),
        mark(facts.difference <= 1e-5),
        mark(facts.live_chains),
        left_whole(facts.unprunable),
    ]
    return '| ' + ' | '.join(map(str, cells)) + ' |'


def left_whole(unprunable: list) -> str:
    """Reasons and the number of units that have them.

    The classifier stays whole in every model.
    """
    counts: dict[str, int] = {}
    for _, reason in unprunable:
        if reason != "its channels are the model's output":
            # In brackets, and after the operation, is what is about one unit alone.
            reason = re.sub(r' \(.*|(?<=the operation )(\S+) in .*', r'\1', reason)
            counts[reason] = counts.get(reason, 0) + 1
    return '; '.join(f'{n}: {escape(r)}' for r, n in counts.items())


def escape(text: str) -> str:
    return text.replace('|', '\\|').replace('_', '\\_')


def mark(holds: bool) -> str:
    return 'yes' if holds else '**no**'


def lines(text: str) -> list[str]:
    """Rows of the table in the page."""
    table = text.partition(BEGIN)[2].partition(END)[0]
    return [x for x in table.splitlines() if x.startswith('| ')][1:]


def write_table(
    about: str, kind: str, package: str, page: Path, header: str, row: Callable
) -> int:
    """Measure and write a page's table; the exit code tells whether it differed.

    Args:
        about: What the command does.
        kind: What a row is about, ``'family'``.
        package: Package of the tests whose ``zoo.ZOO`` has all of them by name.
        page: The page.
        header: First lines of the table.
        row: Makes the line of a name.
    """
    parser = argparse.ArgumentParser(description=about)
    parser.add_argument('names', metavar=kind, nargs='*', help='all by default')
    parser.add_argument(
        '--check',
        action='store_true',
        help='write nothing; fail if the table would change',
    )
    args = parser.parse_args()
    warnings.simplefilter('ignore')
    sys.path[:0] = [str(ROOT), str(ROOT / 'tests')]
    zoo = import_module(f'{package}.zoo').ZOO

    unknown = set(args.names) - set(zoo)
    if unknown:
        parser.error(f'no {kind} {", ".join(unknown)}; choose from {", ".join(zoo)}')
    text = page.read_text()
    rows = {re.match(r'\| ([^|]+) \|', x)[1]: x for x in lines(text)}
    for name in args.names or zoo:
        rows[name] = row(name)
        print(rows[name], flush=True)
    table = '\n'.join([header] + [rows[name] for name in zoo if name in rows])
    new = re.sub(
        f'{BEGIN}.*{END}', lambda _: f'{BEGIN}\n{table}\n{END}', text, flags=re.DOTALL
    )
    if not args.check:
        page.write_text(new)
        return 0
    return int(new != text)


def main() -> int:
    """Run the command; return its exit code."""
    about = __doc__.splitlines()[0]
    return write_table(about, 'family', 'backbones', PAGE, HEADER, row)


if __name__ == '__main__':
    sys.exit(main())
