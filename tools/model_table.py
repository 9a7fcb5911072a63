#!/usr/bin/env python
"""Write the table of docs/models.md.

    python tools/model_table.py [MODEL ...] [--check]

Every model is pruned as its shipped config says, rebuilt, trained for a step
and exported, as the tests do it. It needs mmdet, mmseg and mmpose. Without
names all models are measured, which takes some minutes; with names only
their rows are replaced. ``--check`` writes nothing and fails if the table would
change.
"""

import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from backbone_table import ROOT, left_whole, mark, write_table

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
        mark(facts.step),
        mark(facts.onnx <= 1e-4),
        left_whole(facts.unprunable),
    ]
    return '| ' + ' | '.join(map(str, cells)) + ' |'


def main() -> int:
    """Run the command; return its exit code."""
    about = __doc__.splitlines()[0]
    return write_table(about, 'model', 'downstream', PAGE, HEADER, row)


if __name__ == '__main__':
    sys.exit(main())
