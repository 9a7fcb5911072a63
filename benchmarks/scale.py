"""What a search costs on many GPUs, from figures of one process.

    python benchmarks/scale.py --model resnet50

Measures what can be measured without a cluster (bytes that an iteration
reduces, memory that it holds, the ratio of a search step to a plain one)
and puts it into the usual model of a ring all-reduce, two of them an
iteration (M bytes together: the weights' gradients, then the chains') on N
ranks:

    t(N) = plain * (stage1 + stage2) + 2 (N - 1) / N * M / bandwidth
           + 2 * 2 (N - 1) * latency

docs/scale.md quotes its output.
"""

import argparse
import sys
import warnings
from pathlib import Path

import torch

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

RANKS = (1, 8, 64, 512)


def parse_args() -> argparse.Namespace:
    """Options."""
    parser = argparse.ArgumentParser(
        description=__doc__.splitlines()[0],
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    parser.add_argument('--model', default='resnet50')
    parser.add_argument('--size', type=int, default=224, help='input size')
    parser.add_argument('--batch', type=int, default=32, help='a GPU')
    parser.add_argument(
        '--plain-ms',
        type=float,
        default=100.0,
        help='a plain training step of the full net on your GPU at this size and batch',
    )
    parser.add_argument(
        '--bandwidth', type=float, default=10.0, help='of an all-reduce, GB/s a rank'
    )
    parser.add_argument('--latency-us', type=float, default=5.0, help='of one hop')
    parser.add_argument(
        '--measure-size', type=int, default=64, help='input size for the ratios'
    )
    parser.add_argument('--measure-batch', type=int, default=8)
    parser.add_argument('--rounds', type=int, default=5)
    return parser.parse_args()


def saved_bytes(model: torch.nn.Module, data: dict) -> int:
    """Bytes that a forward pass keeps for its backward pass, parameters
    left out."""
    own = {t.untyped_storage().data_ptr() for t in model.state_dict().values()}
    found = {}

    def pack(tensor):
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in own:
            # the tensor stays alive, so no storage is counted twice
            found[storage.data_ptr()] = (storage.nbytes(), tensor)
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda t: t):
        loss = model(**data, mode='loss')['loss']
    assert loss.requires_grad
    return sum(size for size, _ in found.values())


def main() -> None:
    """Measure and print."""
    args = parse_args()
    warnings.simplefilter('ignore')
    import models
    from clock import Clock
    from pieces import Search
    from rich.console import Console
    from rich.table import Table

    data = models.batch(args.measure_size, args.measure_batch)
    plain = models.build(args.model)
    wrapper = models.optimiser(plain)
    search = Search(args.model, args.measure_size, data, 'cpu')
    clock = Clock()
    for number in range(args.rounds + 1):
        if number == 1:
            clock.seconds.clear()  # the first round warms up
        clock.time('plain', lambda: plain.train_step(data, wrapper))
        clock.time('stage1', search.stage1)
        clock.time('stage2', search.stage2)
    steps = clock.ratio('stage1', 'plain') + clock.ratio('stage2', 'plain')

    weights = sum(p.numel() * p.element_size() for p in plain.parameters())
    alpha = search.algorithm.mutator.alpha
    chains = alpha.numel() * alpha.element_size()
    image = saved_bytes(plain, models.batch(args.size, 1))
    gigabyte = 1e9
    print(
        f'{args.model}: an iteration reduces {weights / 1e6:.1f} MB of '
        f'gradients once and {chains / 1e3:.1f} kB of chains once;\n'
        f'weights, gradients and momentum {3 * weights / gigabyte:.2f} GB, '
        f'activations {image / 1e6:.0f} MB an image at {args.size}: '
        f'{(3 * weights + args.batch * image) / gigabyte:.1f} GB a GPU for '
        f'{args.batch} images;\na search step (stages 1 and 2) takes '
        f'{steps:.2f} plain steps (measured at {args.measure_size}, batch '
        f'{args.measure_batch}, CPU)'
    )
    table = Table(
        title=f'{args.plain_ms:g} ms a plain step, '
        f'{args.bandwidth:g} GB/s, {args.latency_us:g} us'
    )
    for column in (
        'GPUs',
        'images a step',
        'compute',
        'communication',
        'step',
        'efficiency',
    ):
        table.add_column(column, justify='right')
    compute = args.plain_ms * steps
    for ranks in RANKS:
        communication = (
            1e3
            * (
                2
                * (ranks - 1)
                / ranks
                * (weights + chains)
                / (args.bandwidth * gigabyte)
            )
            + 2 * 2 * (ranks - 1) * args.latency_us / 1e3
        )
        step = compute + communication
        table.add_row(
            f'{ranks}',
            f'{ranks * args.batch}',
            f'{compute:.0f} ms',
            f'{communication:.1f} ms',
            f'{step:.0f} ms',
            f'{compute / step:.1%}',
        )
    Console(width=100).print(table)


if __name__ == '__main__':
    main()
