"""What must hold for every backbone, measured on one network."""

from dataclasses import dataclass, field

import torch
from mmengine.optim import OptimWrapper, OptimWrapperDict
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from mmdmcp.dmcp import DMCP
from mmdmcp.registry import MODELS
from mmdmcp.subnet import apply
from mmdmcp.supernet.probe_weights import probe_weights

from .zoo import ZOO, input_shape


@dataclass
class Facts:
    """What one family showed.

    Attributes:
        units: Number of units.
        channels: Channels of all units together.
        full: MACs of the full network.
        least: MACs of the narrowest network on the default grid.
        exact_cost: (a) At random integer widths, the cost model is torch's
            count of the rebuilt network, MACs and parameters both.
        difference: (b) Largest difference between the outputs of the sliced
            supernet and of the rebuilt network.
        live_chains: (c) Whether one search step gives every chain a finite
            gradient that is not zero.
        unprunable: Units that can't be pruned, with the reason.
    """

    units: int
    channels: int
    full: int
    least: int
    exact_cost: bool = True
    difference: float = 0.0
    live_chains: bool = True
    unprunable: list[tuple[str, str]] = field(default_factory=list)


def measure(family: str, draws: int = 2) -> Facts:
    """Search one step on a family of the zoo and look.

    Args:
        family: Key of the zoo.
        draws: Number of random choices of widths to rebuild.

    Raises:
        TraceError: If the family can't be pruned.
    """
    torch.manual_seed(0)
    model = MODELS.build(ZOO[family])
    shape = input_shape(family)
    algorithm = DMCP(
        model,
        target='99%',
        input_shape=shape,
        arch_start=0,
        dead_zone=0.9,
        distillation=None,
    )
    mutator = algorithm.mutator
    with torch.no_grad():
        # Into the dead zone of the budget loss: whether a chain lives is
        # then asked of the task's gradient alone.
        mutator.alpha.mul_(1.05)
    facts = Facts(
        units=len(mutator.units),
        channels=sum(u.num_channels for u in mutator.units),
        full=mutator.cost_of(mutator.choose('max'))['macs'],
        least=mutator.cost_of(mutator.choose('min'))['macs'],
        unprunable=list(mutator.supernet.unprunable),
    )
    for _ in range(draws):
        _rebuild(algorithm, shape, facts)
    facts.live_chains = _chains_live(algorithm, shape)
    return facts


@torch.no_grad()
def _rebuild(algorithm: DMCP, shape: tuple[int, ...], facts: Facts) -> None:
    """Facts (a) and (b) at one random choice of widths."""
    generator = algorithm.mutator.generator
    widths = [
        int(torch.randint(1, u.num_channels + 1, (), generator=generator))
        for u in algorithm.mutator.units
    ]
    algorithm.set_widths(widths)
    algorithm.eval()
    x = torch.randn(2, *shape)
    # As a new network is, most of its layers leave no mark on its output.
    with probe_weights(algorithm.architecture, lambda: algorithm(x)):
        sliced = _tensors(algorithm(x))
        subnet = algorithm.export_subnet()
        net = apply(algorithm.mutator.supernet.plain_copy(), subnet)
    rebuilt = _tensors(net(x))
    facts.difference = max(
        [facts.difference]
        + [float((a - b).abs().max()) for a, b in zip(sliced, rebuilt)]
    )
    with FlopCounterMode(display=False) as counter:
        net(x[:1])
    params = sum(p.numel() for p in net.parameters())
    facts.exact_cost &= (
        counter.get_total_flops() == 2 * algorithm.cost()['macs']
        and params == algorithm.cost()['params'] == subnet.cost['params']
    )


def _chains_live(algorithm: DMCP, shape: tuple[int, ...]) -> bool:
    """Fact (c)."""
    from mmpretrain.structures import DataSample

    algorithm.train()
    algorithm.schedule.set_length(1)
    alpha, seen = algorithm.mutator.alpha, []
    alpha.register_hook(lambda grad: seen.append(grad.clone()))
    data = dict(
        inputs=torch.randn(4, *shape),
        data_samples=[DataSample().set_gt_label(i) for i in range(4)],
    )
    algorithm.train_step(
        data,
        OptimWrapperDict(
            architecture=OptimWrapper(
                torch.optim.SGD(algorithm.architecture.parameters(), 1e-3)
            ),
            mutator=OptimWrapper(torch.optim.SGD([alpha], 1e-3)),
        ),
    )
    gradient = torch.stack(seen).sum(dim=0)
    real = algorithm.mutator.chains.sizes > 0
    # A unit of two channels, say, has one width only on some grids.
    chains = real.any(dim=1)
    alive = ((gradient != 0) & real).any(dim=1)
    return bool(gradient.isfinite().all() and alive[chains].all())


def _tensors(output) -> list[torch.Tensor]:
    if isinstance(output, torch.Tensor):
        return [output]
    return [x for part in output for x in _tensors(part)]


def plain(family: str) -> nn.Module:
    """The family's network, untouched."""
    torch.manual_seed(0)
    return MODELS.build(ZOO[family])
