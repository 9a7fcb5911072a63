#!/usr/bin/env python
"""Test a checkpoint: python tools/test.py CONFIG CHECKPOINT."""

import sys
from pathlib import Path

# Run the package of this checkout, installed or not. In place of this
# script's folder, whose `test.py` would hide Python's own package `test`.
sys.path[0] = str(Path(__file__).resolve().parents[1])

from mmdmcp.cli.test import main

if __name__ == '__main__':
    sys.exit(main())
