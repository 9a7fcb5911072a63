"""What must hold for a supernet at any choice of channels."""

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from mmdmcp.subnet import Subnet, apply
from mmdmcp.supernet import Supernet
from mmdmcp.supernet.probe_weights import probe_weights


def random_choice(supernet: Supernet, any_channels: bool, seed: int) -> list:
    """A random selection for each unit: a prefix, or any channels."""
    generator = torch.Generator().manual_seed(seed)
    chosen = []
    for size in supernet.full:
        width = int(torch.randint(1, size + 1, (), generator=generator))
        order = torch.randperm(size, generator=generator)[:width]
        chosen.append(tuple(sorted(order.tolist())) if any_channels else width)
    return chosen


@torch.no_grad()
def assert_exact(
    model: nn.Module,
    shape: tuple[int, ...],
    path,
    any_channels: bool = False,
    draws: int = 3,
) -> Supernet:
    """The sliced supernet is the network that is rebuilt from its file.

    Same output, multiply-accumulates as torch counts them, parameters.

    Args:
        model: The full model.
        shape: Shape of a sample.
        path: Where to write the file.
        any_channels: Whether to keep any channels, or the first ones.
        draws: Number of random choices.
    """
    supernet = Supernet(model.eval(), shape, any_channels=any_channels)
    x = torch.randn(2, *shape)
    for seed in range(draws):
        chosen = random_choice(supernet, any_channels, seed)
        counts = [c if isinstance(c, int) else len(c) for c in chosen]
        with probe_weights(model, lambda: model(x)):
            supernet.subnet(chosen, 'gate' if any_channels else 'dmcp').save(path)
            small = apply(supernet.plain_copy(), Subnet.load(path))
            supernet.select(chosen)
            torch.testing.assert_close(model(x), small(x), rtol=0, atol=1e-5)
            supernet.select(supernet.full)
        with FlopCounterMode(display=False) as counter:
            small(x[:1])
        assert supernet.cost.exact(counts) == dict(
            macs=counter.get_total_flops() // 2,
            params=sum(p.numel() for p in small.parameters()),
        )
    return supernet
