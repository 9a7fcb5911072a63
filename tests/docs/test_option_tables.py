"""The tables of options in docs/ say what the code takes."""

import ast
import inspect
import re
from pathlib import Path

import pytest

from mmdmcp import registry
from mmdmcp.dmcp.grid import WidthGrid

DOCS = Path(__file__).parents[2] / 'docs'
#: Filled in by MMEngine, or a place for misspelt names.
NOT_OPTIONS = {'self', 'unknown', 'runner', 'dataloader', 'evaluator'}
TABLES = {
    'dmcp.md': [
        'DMCP',
        'DMCPChannelMutator',
        'dmcp.grid.WidthGrid',
        'DMCPSearchHook',
        'SearchValLoop',
    ],
    'gate.md': ['TrainableGate', 'GateChannelMutator', 'GateHook'],
    'importance.md': [
        'ImportancePruning',
        'ImportanceChannelMutator',
        'ImportanceHook',
    ],
}


def find(name):
    """A class by its name in a config."""
    if name == 'dmcp.grid.WidthGrid':
        return WidthGrid
    for kind in (registry.MODELS, registry.HOOKS, registry.LOOPS):
        found = kind.get(f'mmdmcp.{name}')
        if found is not None:
            return found
    return None


def table(page, name):
    """Options and defaults of the first table below a class's heading."""
    text = (DOCS / page).read_text()
    _, below = re.split(rf'^##+ .*`mmdmcp\.{name}`$', text, flags=re.MULTILINE)
    found = {}
    for line in below.split('\n## ')[0].split('\n### ')[0].splitlines():
        row = re.match(r'\| `(\w+)` \| (?:`(.*?)`)? ?\|', line)
        if row:
            option, default = row.groups()
            found[option] = (
                inspect.Parameter.empty
                if default is None
                else ast.literal_eval(default)
            )
    return found


@pytest.mark.parametrize(
    'page,name', [(page, name) for page, names in TABLES.items() for name in names]
)
def test_a_table_has_every_option_and_its_default(page, name):
    taken = {
        key: parameter.default
        for key, parameter in inspect.signature(find(name)).parameters.items()
        if key not in NOT_OPTIONS
    }
    assert table(page, name) == taken


def test_every_table_is_compared():
    for page, names in TABLES.items():
        text = (DOCS / page).read_text()
        assert text.count('| option | default |') == len(names)
