"""Draw which channels subnets keep: python tools/plot_subnet.py FILE."""
import sys
from pathlib import Path

# The package of this checkout, installed or not.
sys.path[0] = str(Path(__file__).resolve().parent.parent)

from mmdmcp.cli.plot import main  # noqa: E402

if __name__ == '__main__':
    sys.exit(main())
