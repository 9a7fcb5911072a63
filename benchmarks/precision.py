"""What mixed precision and channels_last save, in turn in one process.

    python benchmarks/precision.py --model resnet50 --size 64 --batch 8

prints one JSON object: the time of a plain training step, of a search
iteration (weights and chains) and of one with trainable gates, in each
setting over that in float32 and torch's own layout. A ratio is the median
over the rounds.
"""

import argparse
import json
import sys
import warnings
from pathlib import Path

import torch

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from clock import Clock
from models import NAMES, Setting
from pieces import Gated, Search

_PIECES = ('plain', 'search', 'gates')
_SETTINGS = {
    'float32': dict(),
    'channels_last': dict(channels_last=True),
    'mixed': dict(amp=True),
    'mixed_channels_last': dict(amp=True, channels_last=True),
}


def parse_args() -> argparse.Namespace:
    """Options."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--model', choices=NAMES, default='resnet50')
    parser.add_argument('--size', type=int, default=64)
    parser.add_argument('--batch', type=int, default=8)
    parser.add_argument('--threads', type=int, default=1)
    parser.add_argument('--device', default='cpu')
    parser.add_argument('--rounds', type=int, default=5)
    parser.add_argument('--pieces', nargs='+', choices=_PIECES, default=_PIECES)
    parser.add_argument(
        '--busy',
        action='store_true',
        help='others use the machine too: count processor time (with one thread)',
    )
    return parser.parse_args()


class Pieces:
    """The pieces of work in one setting.

    Args:
        args: The command line.
        setting: Precision and layout.
    """

    def __init__(self, args: argparse.Namespace, setting: Setting) -> None:
        self._data = setting.batch(args.size, args.batch)
        if 'plain' in args.pieces:
            self._plain = setting.build(args.model)
            self._wrapper = setting.optimiser(self._plain)
        if 'search' in args.pieces:
            self._search = Search(args.model, args.size, self._data, setting)
        if 'gates' in args.pieces:
            self._gated = Gated(args.model, args.size, self._data, setting)

    def plain(self) -> None:
        """A training step of the full network."""
        self._plain.train_step(self._data, self._wrapper)

    def search(self) -> None:
        """Both stages, of networks drawn anew."""
        self._search.draw()
        self._search.stage1()
        self._search.stage2()

    def gates(self) -> None:
        """An iteration with gates."""
        self._gated.step()


def main() -> None:
    """Measure and print."""
    args = parse_args()
    warnings.simplefilter('ignore')
    torch.set_num_threads(args.threads)
    torch.manual_seed(0)
    clock = Clock(args.device, args.busy)
    compared = {
        name: Pieces(args, Setting(args.device, **options))
        for name, options in _SETTINGS.items()
    }
    for number in range(args.rounds + 1):
        for piece in args.pieces:
            for name, pieces in compared.items():
                if number:
                    clock.time(f'{piece} {name}', getattr(pieces, piece))
                else:  # warm
                    getattr(pieces, piece)()
    report = dict(vars(args), torch=torch.__version__)
    for piece in args.pieces:
        report[piece] = dict(
            seconds=round(clock.median(f'{piece} float32'), 4),
            **{
                name: round(clock.ratio(f'{piece} {name}', f'{piece} float32'), 3)
                for name in compared
                if name != 'float32'
            },
        )
    print(json.dumps(report, default=str, indent=1))


if __name__ == '__main__':
    main()
