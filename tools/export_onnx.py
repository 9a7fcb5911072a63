#!/usr/bin/env python
"""Write a pruned model as ONNX: tools/export_onnx.py CONFIG CHECKPOINT OUT."""

import sys
from pathlib import Path

# Run the package of this checkout, installed or not. In place of this
# script's folder, whose `test.py` would hide Python's own package `test`.
sys.path[0] = str(Path(__file__).resolve().parents[1])

from mmdmcp.cli.export import main

if __name__ == '__main__':
    sys.exit(main())
