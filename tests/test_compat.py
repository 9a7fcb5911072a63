"""Other packages are repaired when that is needed, not on import."""

import subprocess
import sys

CODE = """
import mmengine.runner.checkpoint as loaders, torch
from mmengine.fileio import LocalBackend
from mmengine.runner import Runner
from torch.ao.quantization import fuser_method_mappings as fusers

def state():
    return (Runner.load_checkpoint, LocalBackend.put, loaders.load_url,
            hasattr(fusers, 'reverse2'), torch.serialization.get_safe_globals())

before = state()
import mmdmcp.registry, mmdmcp.dmcp, mmdmcp.models
assert state() == before, 'an import changed another package'
from mmdmcp import compat
compat.repair_mmengine()
once = state()
assert all(a != b for a, b in zip(before[:3], once[:3])) and not once[3]
compat.repair_mmengine()
assert state() == once
compat.repair_mmrazor()
import mmrazor.models
"""


def test_imports_leave_other_packages_as_they_are():
    done = subprocess.run(
        [sys.executable, '-W', 'ignore', '-c', CODE], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr[-2000:]
