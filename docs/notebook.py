#!/usr/bin/env python
"""Run the notebook in this process; write its outputs, and its page.

    python docs/notebook.py

Jupyter is not needed: a cell is code, and prints.
"""

import contextlib
import io
import json
import os
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
NOTEBOOK = ROOT / 'examples' / 'prune_step_by_step.ipynb'
PAGE = ROOT / 'docs' / 'notebook.md'


def read() -> dict:
    """The notebook."""
    return json.loads(NOTEBOOK.read_text())


def run(notebook: dict, names: dict) -> dict:
    """The notebook with what its cells print, run from top to bottom.

    Args:
        notebook: The notebook.
        names: What its cells share.
    """
    count = 0
    for cell in notebook['cells']:
        if cell['cell_type'] != 'code':
            continue
        printed = io.StringIO()
        with contextlib.redirect_stdout(printed):
            exec(''.join(cell['source']), names)
        count += 1
        lines = printed.getvalue().splitlines(keepends=True)
        cell['execution_count'] = count
        cell['outputs'] = [
            dict(name='stdout', output_type='stream', text=lines)
        ] * bool(lines)
    return notebook


def page(notebook: dict) -> str:
    """The notebook as a page of the site."""
    parts = []
    for cell in notebook['cells']:
        text = ''.join(cell['source'])
        if cell['cell_type'] == 'markdown':
            parts.append(text)
            continue
        parts.append(f'```python\n{text}\n```')
        for output in cell['outputs']:
            parts.append(f'```text\n{"".join(output["text"]).rstrip()}\n```')
    where = f'examples/{NOTEBOOK.name}'
    parts.insert(1, f'This page is [{where}](../{where}), as it ran.')
    return '\n\n'.join(parts) + '\n'


def main() -> None:
    """Run it in a folder of its own, and write both."""
    notebook, home = read(), os.getcwd()
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        try:
            run(notebook, {})
        finally:
            os.chdir(home)
    text = json.dumps(notebook, indent=1, ensure_ascii=False)
    NOTEBOOK.write_text(f'{text}\n')
    PAGE.write_text(page(notebook))


if __name__ == '__main__':
    main()
