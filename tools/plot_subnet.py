#!/usr/bin/env python
"""Draw which channels subnets keep: tools/plot_subnet.py FILE ..."""

import sys
from pathlib import Path

# Run the package of this checkout, installed or not. In place of this
# script's folder, whose `test.py` would hide Python's own package `test`.
sys.path[0] = str(Path(__file__).resolve().parents[1])

from mmdmcp.cli.plot import main

if __name__ == '__main__':
    sys.exit(main())
