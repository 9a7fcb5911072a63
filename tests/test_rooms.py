"""Arrows point down in CONTRIBUTING.md's table of rooms."""

import ast
import re
import sys

import pytest


def rooms(repo_root):
    """Rank of each room; those of one row have the same."""
    text = (repo_root / 'CONTRIBUTING.md').read_text()
    rows = re.findall(r'^\| (`[a-z_/.`, ]+`) \|', text, re.MULTILINE)
    return {
        name: rank
        for rank, row in enumerate(rows)
        for name in re.findall(r'`(\w+)', row)
    }


def imports(path, package):
    """Sub-packages that a file imports when it is imported."""
    parts = path.relative_to(package.parent).with_suffix('').parts
    for node in ast.parse(path.read_text()).body:
        if isinstance(node, ast.ImportFrom) and node.level:
            full = [*parts[: len(parts) - node.level], *(node.module or '').split('.')]
            if len(full) > 1 and full[1]:
                yield full[1]


def test_every_room_is_in_the_table(repo_root):
    package = repo_root / 'mmdmcp'
    found = {path.parent.name for path in package.glob('*/__init__.py')}
    assert found - {'datasets'} == rooms(repo_root).keys() - {'apis'}


def test_rooms_import_from_those_below(repo_root):
    package, rank = repo_root / 'mmdmcp', rooms(repo_root)
    wrong = []
    for path in package.rglob('*.py'):
        room = path.relative_to(package).parts[0].removesuffix('.py')
        for other in imports(path, package):
            if room in rank and rank.get(other, 99) <= rank[room] and other != room:
                wrong.append(f'{path.relative_to(package)} imports {other}')
    assert not wrong


@pytest.mark.parametrize('room', ['subnet', 'layers'])
def test_what_deployment_needs_is_torch_and_yaml(repo_root, room):
    for path in (repo_root / 'mmdmcp' / room).glob('*.py'):
        for node in ast.parse(path.read_text()).body:
            names = [node.module] if isinstance(node, ast.ImportFrom) else []
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            tops = {
                name.split('.')[0] for name in names if not getattr(node, 'level', 0)
            }
            assert tops <= {'torch', 'yaml', *sys.stdlib_module_names}, path
