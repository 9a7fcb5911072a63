"""The site says what is there: pages, files, commands, messages."""

import ast
import re
from pathlib import Path

import pytest
import yaml

import mmdmcp
from mmdmcp.cli import COMMANDS, main

ROOT = Path(__file__).parents[2]
DOCS = ROOT / 'docs'
PAGES = sorted(DOCS.glob('*.md'))
TEXTS = [*PAGES, ROOT / 'README.md']


class Loader(yaml.SafeLoader):
    """Reads MkDocs' configuration, Python names and all."""


Loader.add_multi_constructor('tag:yaml.org,2002:python/', lambda *_: None)


def pages_of(nav):
    """Files that a navigation names."""
    for entry in nav:
        (target,) = entry.values()
        if isinstance(target, list):
            yield from pages_of(target)
        else:
            yield target


def test_every_page_is_in_the_navigation():
    config = yaml.load((ROOT / 'mkdocs.yml').read_text(), Loader)
    named = list(pages_of(config['nav']))
    assert sorted(named) == sorted(page.name for page in PAGES)


@pytest.mark.parametrize('page', TEXTS, ids=lambda page: page.name)
def test_links_lead_somewhere(page):
    text = re.sub(r'```.*?```', '', page.read_text(), flags=re.DOTALL)
    for target in re.findall(r'\]\(([^)]+)\)', text):
        if '://' in target:
            continue
        path, _, anchor = target.partition('#')
        file = (page.parent / path).resolve() if path else page
        assert file.exists(), target
        if anchor:
            headings = re.findall(r'^#+ (.*)$', file.read_text(), re.MULTILINE)
            assert anchor in {slug(heading) for heading in headings}, target


def slug(heading):
    """What a heading is called in a link."""
    words = re.sub(r'[^\w\s-]', '', heading.lower())
    return re.sub(r'[-\s]+', '-', words).strip('-')


def commands(page):
    """Command lines of a page's blocks, continued lines joined."""
    for block in re.findall(r'```sh\n(.*?)```', page.read_text(), re.DOTALL):
        for line in block.replace('\\\n', ' ').splitlines():
            yield line.split('  #')[0].strip()


@pytest.mark.parametrize('page', TEXTS, ids=lambda page: page.name)
def test_commands_exist_with_their_options(page, capsys):
    scripts = {
        'train': 'train',
        'test': 'test',
        'convert_subnet': 'convert',
        'export_onnx': 'export',
        'publish': 'publish',
        'measure_latency': 'latency',
        'plot_subnet': 'plot',
    }
    for line in commands(page):
        for path in re.findall(r'(?:tools|benchmarks|configs)/\S+\.(?:py|sh)', line):
            # Configs that a page tells its reader to write.
            told = f'in `{path}`' in page.read_text() or 'seresnet50' in path
            assert (ROOT / path).is_file() or told, path
        verb = re.search(r'(?:^|\s)mmdmcp (\w+)|tools/(\w+)\.py', line)
        name = verb and (verb[1] or scripts.get(verb[2]))
        if verb and verb[1]:
            assert name in COMMANDS, line
        if name:
            with pytest.raises(SystemExit):
                main([name, '--help'])
            known = capsys.readouterr().out
            for option in re.findall(r'\s(--[\w-]+)', line):
                assert option in known, line


def messages():
    """Texts in the package, names and numbers replaced by dots."""
    for path in (ROOT / 'mmdmcp').rglob('*.py'):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.JoinedStr):
                yield ''.join(
                    part.value if isinstance(part, ast.Constant) else '...'
                    for part in node.values
                )
            elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                yield node.value


def test_messages_on_the_page_about_errors_are_raised():
    page = (DOCS / 'troubleshooting.md').read_text()
    named = re.findall(r'^### `(.*)`$', page, re.MULTILINE)
    known = '\n'.join(messages())
    assert len(named) > 15
    assert [message for message in named if message not in known] == []


def test_the_citation_names_this_version():
    cited = yaml.safe_load((ROOT / 'CITATION.cff').read_text())
    assert cited['version'] == mmdmcp.__version__
    assert cited['license'] == 'Apache-2.0' and len(cited['references']) == 2
