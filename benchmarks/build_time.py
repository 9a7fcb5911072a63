r"""How long a pruned model takes to build, beside the full one.

    python benchmarks/build_time.py \
        configs/detection/retinanet_dmcp-r50_fpn_1x_coco.py

prints one JSON object: median seconds of both, and the median over the
rounds of their ratio. Any config whose model names a subnet file will do;
of a search config, give the file with ``--subnet``. The two are built in
turn, in one process, with random weights; reading the file is included.
"""

import argparse
import json
import sys
import warnings
from pathlib import Path

import torch

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from clock import Clock

from mmdmcp.deploy import load_pair


def main() -> int:
    """Measure and print; return the exit code."""
    args = parse_args()
    warnings.simplefilter('ignore')  # of the packages that are imported
    torch.set_num_threads(args.threads)
    pair = load_pair(args.config, args.subnet)
    clock = Clock(busy=args.busy)
    pair.build_full()  # imports
    pair.build_pruned()
    for _ in range(args.rounds):
        clock.time('full', pair.build_full)
        clock.time('pruned', pair.build_pruned)
    print(
        json.dumps(
            dict(
                vars(args),
                torch=torch.__version__,
                full_seconds=round(clock.median('full'), 4),
                pruned_seconds=round(clock.median('pruned'), 4),
                pruned_over_full=round(clock.ratio('pruned', 'full'), 3),
            ),
            indent=1,
        )
    )
    return 0


def parse_args() -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__.split('\n\n')[0],
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    parser.add_argument('config')
    parser.add_argument('--subnet', help='instead of the one it names')
    parser.add_argument('--threads', type=int, default=1)
    parser.add_argument('--rounds', type=int, default=15)
    parser.add_argument(
        '--busy',
        action='store_true',
        help='others use the machine too: count processor time',
    )
    return parser.parse_args()


if __name__ == '__main__':
    sys.exit(main())
