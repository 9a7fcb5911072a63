"""What a search costs, in units of a plain training step.

    python benchmarks/step_cost.py --model resnet50 --size 64 --batch 8

prints one JSON object. Everything is measured in turn, round after round,
in one process; a ratio is the median over the rounds. The unit is a step of
the unpruned static model: forward, backward, optimiser.

    stage1          four networks, one optimiser step
    stage1_static   the same four networks rebuilt as static models, and one
                    optimiser step of the full one
    stage1_over_static, stage2, expected_cost (forward and backward)
    draw            the widths of all units, from the chains
    select          making the supernet run at other widths
    fastest         two of these, from the fastest times instead
    build           tracing the model and setting up the search
    export          the subnet file, written
    rebuild         reading it and building from it, over building in full
    memory          peak of a search step over that of a plain one
    gates           an iteration with trainable gates; gates_frozen, once
                    they hold still
    peer            mmrazor's own DMCP, its import repaired (--peer)
"""

import argparse
import json
import sys
import tempfile
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path

import torch
from mmengine.optim import OptimWrapper
from torch import nn

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from clock import Clock
from memory import optimiser_states, peak
from models import NAMES, Setting
from pieces import Gated, Search, Static, rebuild

Step = Callable[[], None]  # a plain training step


def parse_args() -> argparse.Namespace:
    """Options."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--model', choices=NAMES, default='resnet50')
    parser.add_argument('--size', type=int, default=64)
    parser.add_argument('--batch', type=int, default=8)
    parser.add_argument('--threads', type=int, default=1)
    parser.add_argument('--device', default='cpu')
    parser.add_argument('--rounds', type=int, default=7)
    parser.add_argument(
        '--divisor',
        type=int,
        default=None,
        help="of the width grid; default: the package's",
    )
    parser.add_argument(
        '--fresh',
        action='store_true',
        help='new static networks every round, unwarmed: '
        'kernels for new shapes are then prepared in both',
    )
    parser.add_argument(
        '--busy',
        action='store_true',
        help='others use the machine too: count processor time (with one thread)',
    )
    parser.add_argument(
        '--channels-last', action='store_true', help='layout of all that runs'
    )
    parser.add_argument(
        '--amp', action='store_true', help='all that runs in mixed precision'
    )
    parser.add_argument('--peer', action='store_true')
    args = parser.parse_args()
    if args.busy and (args.threads > 1 or args.device != 'cpu'):
        parser.error('--busy is for one thread on the CPU')
    return args


def main() -> None:
    """Measure and print."""
    args = parse_args()
    warnings.simplefilter('ignore')
    torch.set_num_threads(args.threads)
    torch.manual_seed(0)
    clock = Clock(args.device, args.busy)
    setting = Setting(args.device, args.channels_last, args.amp)
    data = setting.batch(args.size, args.batch)
    plain = setting.build(args.model)
    wrapper = setting.optimiser(plain)

    def step() -> None:
        plain.train_step(data, wrapper)

    step()
    search = measure_build(args, setting, data, step, clock)
    measure_steps(args, search, data, plain, wrapper, clock)
    measure_files(args, search, clock)
    unit = clock.median('plain')
    ratios = {
        key: clock.ratio(key, 'plain')
        for key in (
            'stage1',
            'stage1_static',
            'stage2',
            'expected_cost',
            'draw',
            'select',
        )
    }
    ratios['stage1_over_static'] = clock.ratio('stage1', 'stage1_static')
    ratios['fastest'] = {
        'stage1_over_static': clock.fastest('stage1', 'stage1_static'),
        'stage2': clock.fastest('stage2', 'plain'),
    }
    ratios['build'] = clock.ratio('build', 'plain_of_build')
    ratios['export'] = clock.median('export') / unit
    ratios['rebuild'] = clock.ratio('rebuilt', 'full')
    ratios['memory'] = memory_ratio(search, plain, wrapper, step, args.device)
    # Last: these networks would push the others out of all caches.
    ratios.update(measure_gates(args, setting, data, step, clock))
    if args.peer:
        ratios['peer'] = measure_peer(args, data, step, clock)
    report = dict(
        vars(args),
        torch=torch.__version__,
        seconds={
            key: round(clock.median(key), 5)
            for key in ('plain', 'build', 'export', 'rebuilt')
        },
        **ratios,
    )
    print(json.dumps(report, default=str, indent=1))


def measure_build(
    args: argparse.Namespace, setting: Setting, data: dict, step: Step, clock: Clock
) -> Search:
    """Build the search three times; the last one."""
    grid = {} if args.divisor is None else dict(grid=dict(divisor=args.divisor))

    def build() -> Search:
        return Search(args.model, args.size, data, setting, **grid)

    build()  # imports, once
    for _ in range(3):
        search = clock.time('build', build)
        clock.time('plain_of_build', step)
    return search


def measure_steps(
    args: argparse.Namespace,
    search: Search,
    data: dict,
    plain: nn.Module,
    wrapper: OptimWrapper,
    clock: Clock,
) -> None:
    """Everything that an iteration is made of, in turn."""
    nets = search.static_nets()
    mutator = search.algorithm.mutator

    def static_step() -> None:
        static(nets, data, plain, wrapper)

    for number in range(args.rounds):
        if args.fresh and number:
            search.draw()
            nets = search.static_nets()
        elif not number:  # warm
            search.stage1()
            search.stage2()
            static_step()
        clock.time('plain', lambda: plain.train_step(data, wrapper))
        both = [('stage1', search.stage1), ('stage1_static', static_step)]
        # The second of the two finds kernels prepared by the first.
        for name, work in both if number % 2 else reversed(both):
            clock.time(name, work)
        clock.time('stage2', search.stage2)
        clock.time('expected_cost', search.expected_cost)
        clock.time('draw', lambda: mutator.choose('direct'))
        widths = mutator.choose('random')
        clock.time('select', lambda: mutator.set_widths(widths))


def measure_files(args: argparse.Namespace, search: Search, clock: Clock) -> None:
    """Write the subnet file, and build from it beside building in full."""
    with tempfile.TemporaryDirectory() as folder:
        path = str(Path(folder, 'DMCP_SUBNET_X.yaml'))
        for _ in range(5):
            clock.time('full', lambda: Setting().build(args.model))
            clock.time(
                'export', lambda: search.algorithm.export_subnet('expected').save(path)
            )
            clock.time('rebuilt', lambda: rebuild(args.model, path))


def measure_gates(
    args: argparse.Namespace, setting: Setting, data: dict, step: Step, clock: Clock
) -> dict[str, float]:
    """Iterations with trainable gates beside plain steps."""
    gated = Gated(args.model, args.size, data, setting)
    ratios = {}
    for name in ('gates', 'gates_frozen'):
        gated.step()  # warm
        for _ in range(args.rounds):
            clock.time(f'plain_of_{name}', step)
            clock.time(name, gated.step)
        ratios[name] = clock.ratio(name, f'plain_of_{name}')
        gated.freeze()
    return ratios


def measure_peer(
    args: argparse.Namespace, data: dict, step: Step, clock: Clock
) -> dict[str, object]:
    """mmrazor's DMCP beside plain steps."""
    from peer import Peer

    peer = Peer(args.model, args.size, data)
    for _ in range(args.rounds):
        clock.time('plain_of_peer', step)
        peer.measure(clock)
    return peer.ratios(clock)


def memory_ratio(
    search: Search, plain: nn.Module, wrapper: OptimWrapper, step: Step, device: str
) -> float:
    """Peak of a search step, of the stage that needs more, over the peak of
    a plain one."""
    model = search.algorithm.architecture
    states = list(optimiser_states(search.wrapper['architecture'].optimizer))
    most = max(
        peak(stage, model, states, device) for stage in (search.stage1, search.stage2)
    )
    states = list(optimiser_states(wrapper.optimizer))
    return most / peak(step, plain, states, device)


def static(
    nets: Sequence[Static], data: dict, plain: nn.Module, wrapper: OptimWrapper
) -> None:
    """The four static networks, and the full one's optimiser step."""
    teacher = None
    for net in nets:
        logits = net.step(data, teacher)
        teacher = logits if teacher is None else teacher
    for parameter in plain.parameters():
        parameter.grad = parameter.detach()
    wrapper.optimizer.step()
    wrapper.zero_grad()


if __name__ == '__main__':
    main()
