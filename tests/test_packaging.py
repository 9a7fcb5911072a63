"""What a user who installs the package gets."""

import ast
import re
import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

import mmdmcp


def shipped(root: Path, folder: str, *suffixes: str):
    return {
        str(path.relative_to(root))
        for path in (root / folder).rglob('*')
        if path.suffix in suffixes and '__pycache__' not in path.parts
    }


@pytest.fixture(scope='module')
def source(repo_root, tmp_path_factory):
    """A copy to build in, so that nothing is left in the checkout."""
    copy = tmp_path_factory.mktemp('source')
    for name in (
        'setup.py',
        'pyproject.toml',
        'model-index.yml',
        'LICENSE',
        'README.md',
    ):
        if (repo_root / name).exists():
            shutil.copy(repo_root / name, copy)
    for name in ('mmdmcp', 'configs', 'tools'):
        if (repo_root / name).exists():
            shutil.copytree(
                repo_root / name,
                copy / name,
                ignore=shutil.ignore_patterns('__pycache__'),
            )
    return copy


@pytest.fixture(scope='module')
def wheel_names(source, tmp_path_factory):
    out = tmp_path_factory.mktemp('wheel')
    subprocess.run(
        [
            sys.executable,
            '-m',
            'pip',
            'wheel',
            '-q',
            '--no-deps',
            '--no-build-isolation',
            '--wheel-dir',
            str(out),
            str(source),
        ],
        check=True,
    )
    (wheel,) = out.glob('mmdmcp-*.whl')
    assert wheel.name.startswith(f'mmdmcp-{mmdmcp.__version__}-')
    return set(zipfile.ZipFile(wheel).namelist())


def test_wheel_has_every_file_of_the_package(source, wheel_names):
    package = {
        str(path.relative_to(source))
        for path in (source / 'mmdmcp').rglob('*')
        if path.is_file() and path.suffix != '.pyc'
    }
    assert package - wheel_names == set()


def test_wheel_has_configs_and_tools(source, wheel_names):
    configs = shipped(source, 'configs', '.py', '.yaml', '.yml', '.md')
    tools = shipped(source, 'tools', '.py', '.sh')
    assert any(name.endswith('.yaml') for name in configs)
    assert 'tools/train.py' in tools and 'tools/slurm_train.sh' in tools
    shipped_files = configs | tools | {'model-index.yml'}
    missing = {f'mmdmcp/.mim/{name}' for name in shipped_files} - wheel_names
    assert missing == set()


def test_wheel_holds_nothing_else(wheel_names):
    tops = {name.split('/')[0] for name in wheel_names}
    assert tops == {'mmdmcp', f'mmdmcp-{mmdmcp.__version__}.dist-info'}


def test_source_distribution_builds_the_same(source, tmp_path):
    """Configs reach a wheel that is built from a source distribution."""
    subprocess.run(
        [sys.executable, 'setup.py', '-q', 'sdist', '--dist-dir', str(tmp_path)],
        cwd=source,
        check=True,
    )
    (archive,) = tmp_path.glob('*.tar.gz')
    with tarfile.open(archive) as tar:
        names = {name.split('/', 1)[-1] for name in tar.getnames()}
    wanted = (
        shipped(source, 'configs', '.py', '.yaml')
        | shipped(source, 'tools', '.py', '.sh')
        | {'LICENSE', 'setup.py', 'model-index.yml'}
    )
    assert wanted - names == set()


def test_what_is_imported_is_declared(repo_root):
    """Not left to a dependency that happens to bring it along."""
    names = {
        'PIL': 'pillow',
        'yaml': 'PyYAML',
        'sklearn': 'scikit-learn',
        'mmcv': 'mmcv-lite',
        'mmseg': 'mmsegmentation',
    }
    imported = set()
    for path in (repo_root / 'mmdmcp').rglob('*.py'):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                imported |= {alias.name.split('.')[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and not node.level:
                imported.add(node.module.split('.')[0])
    text = (repo_root / 'setup.py').read_text()
    for name in imported - set(sys.stdlib_module_names) - {'mmdmcp'}:
        assert f"'{names.get(name, name)}>=" in text, name


def test_constraints_lie_within_the_requirements(repo_root):
    """What is tested is what users are allowed to install."""
    from packaging.requirements import Requirement

    pins = {}
    for line in (repo_root / '.ci/constraints.txt').read_text().splitlines():
        line = line.split('#')[0].strip()
        if line:
            pin = Requirement(line)
            pins[pin.name] = str(pin.specifier).removeprefix('==')
    text = (repo_root / 'setup.py').read_text()
    wanted = [
        Requirement(spec)
        for spec in re.findall(r"'([A-Za-z][\w-]*[<>=][^']*)'", text)
        if not spec.startswith('mmdmcp=')
    ]
    assert {'torch', 'mmengine', 'mmrazor'} <= {w.name for w in wanted}
    for requirement in wanted:
        name = requirement.name.lower()
        if name in pins:
            assert requirement.specifier.contains(pins[name]), requirement
    for name in ('torch', 'mmengine', 'mmpretrain', 'mmrazor', 'mmcv-lite'):
        assert name in pins
