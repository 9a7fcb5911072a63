#!/usr/bin/env python
"""Write the table of docs/models.md.

    python tools/model_table.py [MODEL ...] [--check]

Every model is pruned as its shipped config says, rebuilt, trained for a step
and exported, as the tests do it. It needs mmdet, mmseg and mmpose. Without
names all models are measured, which takes some minutes; with names only
their rows are replaced. ``--check`` writes nothing and fails if the table would
change.
"""

import argparse
import re
import sys
import warnings
from pathlib import Path
from tempfile import TemporaryDirectory

from backbone_table import BEGIN, END, ROOT, left_whole, lines, mark

PAGE = ROOT / 'docs' / 'models.md'
HEADER = (
    '| model | units | channels | full | smallest | exact cost | '
    'same output | a step | ONNX | left whole |\n'
    '|---|---|---|---|---|---|---|---|---|---|'
)


def row(name: str) -> str:
    """One line of the table."""
    from downstream.facts import measure

    with TemporaryDirectory() as folder:
        facts = measure(name, str(Path(folder, 'net.onnx')))
    cells = [
        name,
        facts.units,
        facts.channels,
        f'{facts.full / 1e6:.1f} M',
        f'{100 * facts.least / facts.full:.1f} %',
        mark(facts.exact_cost),
        mark(facts.difference <= 1e-5),
        'not tried' if facts.step is None else mark(facts.step),
        mark(facts.onnx <= 1e-4),
        left_whole(facts.unprunable),
    ]
    return '| ' + ' | '.join(map(str, cells)) + ' |'


def main() -> int:
    """Measure and write; the exit code tells whether it differed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('model', nargs='*', help='all by default')
    parser.add_argument(
        '--check',
        action='store_true',
        help='write nothing; fail if the table would change',
    )
    args = parser.parse_args()
    warnings.simplefilter('ignore')
    sys.path[:0] = [str(ROOT), str(ROOT / 'tests')]
    from downstream.zoo import ZOO

    unknown = set(args.model) - set(ZOO)
    if unknown:
        parser.error(f'no model {", ".join(unknown)}; choose from {", ".join(ZOO)}')
    page = PAGE.read_text()
    rows = {re.match(r'\| ([^|]+) \|', x)[1]: x for x in lines(page)}
    for name in args.model or ZOO:
        rows[name] = row(name)
        print(rows[name], flush=True)
    table = '\n'.join([HEADER] + [rows[n] for n in ZOO if n in rows])
    new = re.sub(
        f'{BEGIN}.*{END}', lambda _: f'{BEGIN}\n{table}\n{END}', page, flags=re.DOTALL
    )
    if not args.check:
        PAGE.write_text(new)
        return 0
    return int(new != page)


if __name__ == '__main__':
    sys.exit(main())
