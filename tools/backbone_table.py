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


def main() -> int:
    """Measure and write; the exit code tells whether it differed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('family', nargs='*', help='all by default')
    parser.add_argument(
        '--check',
        action='store_true',
        help='write nothing; fail if the table would change',
    )
    args = parser.parse_args()
    warnings.simplefilter('ignore')
    sys.path[:0] = [str(ROOT), str(ROOT / 'tests')]
    from backbones.zoo import ZOO

    unknown = set(args.family) - set(ZOO)
    if unknown:
        parser.error(f'no family {", ".join(unknown)}; choose from {", ".join(ZOO)}')
    page = PAGE.read_text()
    rows = {re.match(r'\| ([^|]+) \|', x)[1]: x for x in lines(page)}
    for family in args.family or ZOO:
        rows[family] = row(family)
        print(rows[family], flush=True)
    table = '\n'.join([HEADER] + [rows[f] for f in ZOO if f in rows])
    new = re.sub(
        f'{BEGIN}.*{END}', lambda _: f'{BEGIN}\n{table}\n{END}', page, flags=re.DOTALL
    )
    if not args.check:
        PAGE.write_text(new)
        return 0
    return int(new != page)


if __name__ == '__main__':
    sys.exit(main())
