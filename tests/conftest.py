"""What all tests share."""
import os
from pathlib import Path

# Before torch is imported: two tests at once on few cores, or one test with
# several processes, shouldn't fight for them.
os.environ.setdefault('OMP_NUM_THREADS', '1')
os.environ.setdefault('MKL_NUM_THREADS', '1')

import pytest  # noqa: E402

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


@pytest.fixture(autouse=True)
def _own_scope():
    """Give every test a clean MMEngine scope.

    Building a Runner sets the process-wide default scope, logger and
    message hub; one test's must not be the next one's.
    """
    yield
    import sys
    if 'mmengine' not in sys.modules:
        return
    from mmengine.registry import DefaultScope
    DefaultScope._instance_dict.clear()
