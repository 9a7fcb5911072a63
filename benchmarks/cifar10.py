"""What pruning half of a ResNet-20 costs on CIFAR-10, on a CPU schedule.

    python benchmarks/cifar10.py dmcp --data-root data/cifar10 --seeds 0 1 2
    python benchmarks/cifar10.py gate --data-root data/cifar10 --seeds 0 1 2

``dmcp``: a search with each parametrisation of the chains, then the subnets
found and a uniformly narrowed net of the same FLOPs, each trained from
scratch for as long. ``gate``: the full net, pretrained; then tuned further
with gates, and as long without. The networks, data and recipes are those of
the shipped configs; only the schedules are shorter. Every run is a command
of ``tools/``, which is printed. A seed that is finished is not run again;
other seeds can run beside it with the same ``--work-dir``.
"""

import argparse
import json
import statistics
import sys
import warnings
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))
sys.path.append(str(ROOT / 'tools'))
from steps import Net, Row, count, print_table, say, test, train

IMAGE = (3, 32, 32)
FULL = 'resnet20_2xb64_cifar10.py'
NARROW = 'resnet20-narrow_2xb64_cifar10.py'
SEARCH = 'dmcp_resnet20_supernet_2xb64_cifar10.py'
SUBNET = 'dmcp_resnet20_subnet_2xb64_cifar10.py'
GATED = '../gate/gate_resnet20_2xb64_cifar10.py'
SMALL = '../gate/gate_resnet20_subnet_2xb64_cifar10.py'
# What the others are compared with, seed by seed.
REFERENCES = {'dmcp': 'uniformly narrowed', 'gate': 'full, tuned as long'}
# The chains' learning rates: one step moves exp much further (docs/dmcp.md).
CHAIN_RATES = {'sigmoid': 0.5, 'exp': 0.05}


def main() -> int:
    """Run what is missing, and print tables; return the exit code."""
    args = parse_args()
    warnings.simplefilter('ignore')  # of the packages that are imported
    args.work_dir.mkdir(parents=True, exist_ok=True)
    for seed in args.seeds:
        path = args.work_dir / f'seed_{seed}.json'
        if not path.exists():
            rows = METHODS[args.method](args, args.work_dir / f'seed_{seed}', seed)
            path.write_text(json.dumps([row._asdict() for row in rows]))
    results = {
        path.stem: [Row(**row) for row in json.loads(path.read_text())]
        for path in sorted(args.work_dir.glob('seed_*.json'))
    }
    for name, rows in results.items():
        print_table(f'ResNet-20 on CIFAR-10, {args.method}, {name}', rows)
    summarise(args.method, list(results.values()))
    return 0


def parse_args() -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__.split('\n\n')[0],
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    parser.add_argument('method', choices=METHODS)
    parser.add_argument(
        '--data-root', required=True, help='the folder that holds cifar-10-batches-py'
    )
    parser.add_argument('--seeds', type=int, nargs='+', default=[0])
    parser.add_argument('--batch', type=int, default=64)
    parser.add_argument(
        '--search-images',
        type=int,
        default=19200,
        help='of each of the two epochs of a search',
    )
    parser.add_argument('--images', type=int, default=25024, help='of each other epoch')
    parser.add_argument(
        '--epochs', type=int, default=3, help='of training from scratch'
    )
    parser.add_argument(
        '--gate-epochs', type=int, default=3, help='of tuning, with gates'
    )
    parser.add_argument('--work-dir', type=Path, help='where results go')
    args = parser.parse_args()
    if args.work_dir is None:
        args.work_dir = Path('work_dirs') / f'cifar10_{args.method}'
    return args


def common(args: argparse.Namespace, seed: int, epochs: int, images: int) -> list[str]:
    """Settings of every run."""
    return [
        f'randomness.seed={seed}',
        f'train_cfg.max_epochs={epochs}',
        f'train_cfg.val_interval={epochs}',
        f'train_dataloader.batch_size={args.batch}',
        f'train_dataloader.dataset.indices={images}',
        f'train_dataloader.dataset.data_root={args.data_root}',
        f'val_dataloader.dataset.data_root={args.data_root}',
        f'test_dataloader.dataset.data_root={args.data_root}',
    ]


def dmcp(args: argparse.Namespace, folder: Path, seed: int) -> list[Row]:
    """Search with both parametrisations; retrain beside a narrow net."""
    nets = {Net('uniformly narrowed', 'narrow', NARROW): []}
    for kind, rate in CHAIN_RATES.items():
        search = Net(f'search, {kind}', f'search_{kind}', SEARCH)
        say(f'seed {seed}: {search.label}')
        train(
            search,
            folder,
            [
                *common(args, seed, 2, args.search_images),
                f'model.mutator.parametrisation={kind}',
                f'optim_wrapper.mutator.optimizer.lr={rate}',
            ],
        )
        path = folder / search.folder / 'DMCP_SUBNET_RESNET20_CIFAR10.yaml'
        nets[Net(f'DMCP, {kind}', kind, SUBNET)] = [f'model.subnet={path}']
    full = Net('full', 'full', FULL)
    rows = []
    for net, options in {full: [], **nets}.items():
        say(f'seed {seed}: {net.label}, from scratch')
        options = [*common(args, seed, args.epochs, args.images), *options]
        train(net, folder, options)
        rows.append(
            Row(net.label, *count(net, IMAGE, options), test(net, folder, options))
        )
    return rows


def gate(args: argparse.Namespace, folder: Path, seed: int) -> list[Row]:
    """Pretrain; tune with gates; tune as long without."""
    pretrained = Net('pretrained', 'full', FULL)
    say(f'seed {seed}: {pretrained.label}')
    options = common(args, seed, args.epochs, args.images)
    train(pretrained, folder, options)
    start = (folder / 'full' / 'last_checkpoint').read_text().strip()
    cost = count(pretrained, IMAGE)
    rows = [Row(pretrained.label, *cost, test(pretrained, folder, options))]

    tuned = Net('full, tuned as long', 'tuned', FULL)
    say(f'seed {seed}: {tuned.label}')
    options = [
        *common(args, seed, args.gate_epochs, args.images),
        f'load_from={start}',
        'optim_wrapper.optimizer.lr=0.05',
    ]
    train(tuned, folder, options)
    rows.append(Row(tuned.label, *cost, test(tuned, folder, options)))

    gated = Net('gated', 'gated', GATED)
    say(f'seed {seed}: {gated.label}')
    # The rate by the rule of docs/gate.md: 5 over the iterations of the ramp.
    ramp = 0.4 * args.gate_epochs * args.images / args.batch
    train(
        gated,
        folder,
        [
            *common(args, seed, args.gate_epochs, args.images),
            f'load_from={start}',
            f'optim_wrapper.mutator.optimizer.lr={5 / ramp:.4f}',
        ],
    )
    subnet = folder / 'gated' / 'GATE_SUBNET_RESNET20_CIFAR10'
    small = Net('small', 'small', SMALL)
    options = [
        *common(args, seed, 1, args.images),
        f'model.subnet={subnet}.yaml',
        f'model.init_cfg.checkpoint={subnet}.pth',
    ]
    rows.append(
        Row(
            small.label,
            *count(small, IMAGE, options),
            test(small, folder, options, f'{subnet}.pth'),
        )
    )
    return rows


METHODS = {'dmcp': dmcp, 'gate': gate}


def summarise(method: str, seeds: list[list[Row]]) -> None:
    """Mean and range over the seeds, and differences seed by seed."""
    top1: dict[str, list[float]] = {}
    for rows in seeds:
        for row in rows:
            top1.setdefault(row.label, []).append(row.top1)
    say(f'Test top-1, {len(seeds)} seeds: mean (least to most)')
    for label, values in top1.items():
        say(
            f'  {label:22} {statistics.mean(values):.2f} '
            f'({min(values):.2f} to {max(values):.2f})'
        )
    reference = REFERENCES[method]
    say(f'Points above {reference!r}: mean (seed by seed)')
    for label, values in top1.items():
        if label != reference:
            above = [a - b for a, b in zip(values, top1[reference])]
            say(
                f'  {label:22} {statistics.mean(above):+.2f} '
                f'({", ".join(f"{value:+.2f}" for value in above)})'
            )


if __name__ == '__main__':
    sys.exit(main())
