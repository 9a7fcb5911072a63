"""What a search for several budgets costs, beside one for a single budget.

    python benchmarks/budgets.py --model resnet50 --size 64 --batch 8 --busy
    python benchmarks/budgets.py --whole configs/pruning/dmcp/dmcp_resnet14_supernet-budgets_digits.py

The first compares iterations of both stages, in turn, round after round, in
one process. The second runs the search of a config, candidates and all, and
the same for the middle one of its budgets, and compares their processor time.
Prints one JSON object; ratios are over the search for one.
"""

import argparse
import json
import sys
import tempfile
import time
import warnings
from pathlib import Path

import torch
from mmengine.config import Config
from mmengine.optim import OptimWrapper, OptimWrapperDict

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from clock import Clock
from models import NAMES, Setting

from mmdmcp.apis import train
from mmdmcp.dmcp import DMCP


class Iterations:
    """Whole iterations of a search, in the middle of training its chains.

    Args:
        args: Options of the command.
        targets: What to search for.
    """

    def __init__(self, args: argparse.Namespace, targets: list[str]) -> None:
        setting = Setting(args.device)
        self.algorithm = DMCP(
            setting.build(args.model),
            targets,
            input_shape=(3, args.size, args.size),
            arch_start=0,
            # all sampled networks are drawn from the chains
            random_sampling=(0.0, 0.0),
        )
        self.algorithm.to(args.device).train()
        self.algorithm.schedule.set_length(10**6)
        self.data = setting.batch(args.size, args.batch)
        chains = self.algorithm.mutator.parameters()
        self.wrapper = OptimWrapperDict(
            architecture=setting.optimiser(self.algorithm.architecture),
            mutator=OptimWrapper(torch.optim.SGD(chains, 1e-9, momentum=0.9)),
        )

    def step(self) -> None:
        """One iteration."""
        self.algorithm.train_step(self.data, self.wrapper)


def parse_args() -> argparse.Namespace:
    """Options."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--model', choices=NAMES, default='resnet50')
    parser.add_argument('--size', type=int, default=64)
    parser.add_argument('--batch', type=int, default=8)
    parser.add_argument('--device', default='cpu')
    parser.add_argument('--rounds', type=int, default=15)
    parser.add_argument('--targets', nargs='+', default=['70%', '50%', '30%'])
    parser.add_argument(
        '--busy',
        action='store_true',
        help='others use the machine too: count processor time',
    )
    parser.add_argument(
        '--whole', metavar='CONFIG', help='run the search of a config instead'
    )
    return parser.parse_args()


def iterations(args: argparse.Namespace) -> dict[str, float]:
    """Iterations for all targets over those for the middle one."""
    clock = Clock(args.device, args.busy)
    searches = dict(
        one=Iterations(args, [args.targets[len(args.targets) // 2]]),
        several=Iterations(args, args.targets),
    )
    for number in range(args.rounds + 1):
        if number == 1:  # the first prepared the kernels
            clock.seconds.clear()
        names = list(searches) if number % 2 else list(searches)[::-1]
        for name in names:
            clock.time(name, searches[name].step)
    return dict(
        iteration=clock.ratio('several', 'one'),
        fastest=clock.fastest('several', 'one'),
        seconds_of_one=clock.median('one'),
    )


def whole(config: str) -> dict[str, float]:
    """Processor time of a config's search, and of one for its middle budget."""
    targets = Config.fromfile(config).model.target
    seconds = {}
    for name, target in dict(one=targets[len(targets) // 2], several=targets).items():
        with tempfile.TemporaryDirectory() as folder:
            start = time.process_time()
            train(config, work_dir=folder, cfg_options={'model.target': target})
            seconds[name] = time.process_time() - start
    ratio = seconds['several'] / seconds['one']
    return dict(whole=ratio, **{f'seconds_{k}': v for k, v in seconds.items()})


def main() -> None:
    """Measure and print."""
    args = parse_args()
    warnings.simplefilter('ignore')
    torch.set_num_threads(1)
    torch.manual_seed(0)
    found = whole(args.whole) if args.whole else iterations(args)
    print(json.dumps({key: round(value, 3) for key, value in found.items()}))


if __name__ == '__main__':
    main()
