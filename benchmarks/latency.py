"""How well a profile predicts the latency of networks it has not seen.

    python benchmarks/latency.py --model resnet50 --size 224 --runtime pytorch \
        --profile work_dirs/latency/resnet50_pytorch.yaml --seconds 150

Random networks, their widths uniform on the grid of a search, are rebuilt
and timed in turns; none of them was used for the profile. Printed are the
relative errors of what the profile predicts, and of FLOPs scaled by the one
factor that suits these networks best. With ``--seconds``, the profile is
measured first, or measured on if the file is there.
"""

import argparse
import json
import statistics
import sys
import warnings
from collections.abc import Callable
from pathlib import Path

import torch

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))


from models import NAMES, Setting

from mmdmcp.deploy.latency import processor
from mmdmcp.deploy.profile import measure_profile
from mmdmcp.deploy.timed import network_maker
from mmdmcp.deploy.timing import Runtime, spread
from mmdmcp.dmcp.grid import WidthGrid
from mmdmcp.latency import Profile, attach
from mmdmcp.supernet import Supernet


def parse_args() -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--model', choices=NAMES, default='resnet50')
    parser.add_argument('--size', type=int, default=224)
    parser.add_argument('--runtime', default='pytorch')
    parser.add_argument('--device', default='cpu')
    parser.add_argument('--threads', type=int, default=1)
    parser.add_argument('--batch', type=int, default=1)
    parser.add_argument('--profile', required=True)
    parser.add_argument('--seconds', type=float, default=0.0)
    parser.add_argument('--points', type=int, default=4)
    parser.add_argument('--nets', type=int, default=20)
    parser.add_argument('--rounds', type=int, default=7)
    parser.add_argument('--seed', type=int, default=1)
    parser.add_argument(
        '--divisor', type=lambda x: x if x == 'auto' else int(x), default='auto'
    )
    return parser.parse_args()


def main() -> None:
    """Measure and print."""
    args = parse_args()
    warnings.simplefilter('ignore')
    supernet = Supernet(Setting().build(args.model).eval(), (3, args.size, args.size))

    def choices(multiple: int | None) -> list[tuple[int, ...]]:
        grid = WidthGrid(divisor=args.divisor)
        grid.multiple = multiple
        return [grid(channels) for channels in supernet.full]

    runtime = Runtime(args.runtime, args.device, args.threads)
    path = Path(args.profile)
    if args.seconds:
        profile = measure_profile(
            supernet,
            choices,
            runtime,
            processor(runtime.device),
            args.batch,
            args.points,
            seconds=args.seconds,
            known=Profile.load(path) if path.exists() else None,
        )
        profile.save(path)
    if args.nets:
        print(
            json.dumps(dict(vars(args), **held_out(args, supernet, choices, runtime)))
        )


def held_out(args, supernet: Supernet, widths_by: Callable, runtime: Runtime) -> dict:
    """Errors of the profile on random networks."""
    profile = Profile.load(args.profile)
    choices = widths_by(profile.multiple)
    attach(supernet.cost, len(supernet.full), supernet.input_shape, profile)
    generator = torch.Generator().manual_seed(args.seed)
    widths = [
        [c[int(torch.randint(len(c), (), generator=generator))] for c in choices]
        for _ in range(args.nets)
    ] + [supernet.full, [c[0] for c in choices]]
    makers = [network_maker(supernet, row, runtime, args.batch) for row in widths]
    times: list[list[int]] = [[] for _ in makers]
    with runtime.ready():
        for _ in range(args.rounds):
            for row, make in zip(times, makers):
                row.append(runtime.time(make()))
    took = [min(row) / 1e3 for row in times]
    costs = [supernet.cost.exact(row) for row in widths]
    ends = {
        name: dict(predicted_ms=cost['latency_us'] / 1e3, measured_ms=time / 1e3)
        for name, cost, time in zip(('full', 'narrowest'), costs[-2:], took[-2:])
    }
    took, costs = took[:-2], costs[:-2]
    macs = [cost['macs'] for cost in costs]
    per_mac = statistics.median(t / m for t, m in zip(took, macs))
    return dict(
        blocks=len(profile.blocks),
        points=sum(len(b.ins) * len(b.outs) for b in profile.blocks),
        rest=vars(profile.rest),
        multiple=profile.multiple,
        multiples=dict(profile.multiples),
        profile_spread=profile.spread,
        spread=statistics.median(map(spread, times)),
        **ends,
        measured_ms=[t / 1e3 for t in took],
        predicted=_errors([c['latency_us'] for c in costs], took),
        flops=_errors([per_mac * m for m in macs], took),
        ns_per_mac=1e3 * per_mac,
    )


def _errors(predicted: list[float], measured: list[float]) -> dict:
    """Relative errors: the median and the largest."""
    errors = sorted(abs(p / m - 1) for p, m in zip(predicted, measured))
    bias = statistics.median(p / m - 1 for p, m in zip(predicted, measured))
    return dict(median=statistics.median(errors), largest=errors[-1], bias=bias)


if __name__ == '__main__':
    main()
