"""What all tests share."""

import os
import subprocess
import sys
from pathlib import Path

# Before torch is imported: two tests at once on few cores, or one test with
# several processes, shouldn't fight for them.
os.environ.setdefault('OMP_NUM_THREADS', '1')
os.environ.setdefault('MKL_NUM_THREADS', '1')

import pytest

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope='session')
def repo_root() -> Path:
    """The checkout that the tests belong to."""
    return ROOT


@pytest.fixture(scope='session')
def data_root() -> Path:
    """The folder with the real data sets, beside the checkout.

    ``MMDMCP_DATA`` names another one. Tests that need it are skipped where
    it is missing.
    """
    named = os.environ.get('MMDMCP_DATA')
    path = Path(named) if named else ROOT.parent / 'shared' / 'data'
    if not path.is_dir():
        pytest.skip(f'no data sets at {path}; MMDMCP_DATA names their folder')
    return path


@pytest.fixture(scope='session')
def cifar10(data_root, tmp_path_factory):
    """A folder with CIFAR-10 in its usual form, ``cifar-10-batches-py``.

    Either ``cifar10`` among the data sets, or restored from a compact form
    by a script that lies there.
    """
    folder = data_root / 'cifar10'
    if (folder / 'cifar-10-batches-py').is_dir():
        return folder
    script = data_root / 'restore_cifar10.py'
    if not script.is_file():
        pytest.skip(f'no cifar-10-batches-py in {folder}')
    folder = tmp_path_factory.mktemp('cifar10')
    subprocess.run([sys.executable, str(script), str(folder)], check=True)
    return folder


@pytest.fixture(autouse=True)
def _nothing_left_over():
    """Give every test a process without MMEngine's global instances.

    A Runner leaves a default scope, a logger, a visualizer and a message hub
    behind, by names made of the config's and the second.
    """
    yield
    if 'mmengine.utils.manager' not in sys.modules:
        return
    from mmengine.utils import ManagerMixin

    kinds = [ManagerMixin]
    while kinds:
        kind = kinds.pop()
        kind._instance_dict.clear()
        kinds += kind.__subclasses__()
