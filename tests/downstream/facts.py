"""What must hold for every downstream model, measured on one network."""

from dataclasses import dataclass

import torch
from downstream.zoo import ZOO, pruning_config
from mmengine.optim import OptimWrapper
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from mmdmcp.deploy.onnx import export_onnx
from mmdmcp.registry import MODELS
from mmdmcp.subnet import apply
from mmdmcp.supernet.probe_weights import probe_weights
from mmdmcp.supernet.sample_run import SampleRuns
from mmdmcp.supernet.samples import forward_arguments


@dataclass
class Facts:
    """What one model showed.

    Attributes:
        units: Number of units.
        channels: Channels of all units together.
        full: MACs of the full network.
        least: MACs of the narrowest one.
        half: MACs of the one that its config prunes it to.
        unprunable: Layers that are left whole, with the reason.
        exact_cost: Whether the cost model is torch's count of the rebuilt
            network, MACs and parameters both.
        difference: Largest difference between the outputs of the network that
            leaves channels out and of the rebuilt one.
        step: Whether one training step of the pruned network has a finite
            loss, and gradients.
        onnx: Largest difference of the exported file, as a share of the
            largest value.
    """

    units: int
    channels: int
    full: int
    least: int
    half: int
    unprunable: list[tuple[str, str]]
    exact_cost: bool
    difference: float
    step: bool
    onnx: float


def measure(name: str, path: str) -> Facts:
    """Prune a model of the zoo as its config says, and look.

    Args:
        name: Key of the zoo.
        path: File to export to.
    """
    torch.manual_seed(0)
    algorithm = MODELS.build(pruning_config(name))
    shape = ZOO[name][1]
    algorithm.prune()
    algorithm.eval()
    mutator = algorithm.mutator
    full, least = (algorithm.cost_of(how)['macs'] for how in ('max', 'min'))
    model = algorithm.architecture
    ours, its = SampleRuns(model, shape), None
    with torch.no_grad(), probe_weights(model, ours.inference):
        sliced = tensors(ours.inference(1))
        subnet = algorithm.export_subnet()
        net = apply(mutator.supernet.plain_copy(), subnet)
    its = SampleRuns(net, shape)
    rebuilt = tensors(its.inference(1))
    scale = max(float(a.abs().max()) for a in sliced)
    difference = max(float((a - b).abs().max()) for a, b in zip(sliced, rebuilt))
    with FlopCounterMode(display=False) as counter:
        its.inference()
    params = sum(p.numel() for p in net.parameters())
    # How far it is from PyTorch is a fact, too: it is written in any case.
    exported = export_onnx(net, path, shape, tolerance=float('inf'))
    return Facts(
        units=len(mutator.units),
        channels=sum(unit.num_channels for unit in mutator.units),
        full=full,
        least=least,
        half=algorithm.cost()['macs'],
        unprunable=list(mutator.supernet.unprunable),
        exact_cost=counter.get_total_flops() == 2 * algorithm.cost()['macs']
        and params == algorithm.cost()['params'] == subnet.cost['params'],
        difference=difference / max(1.0, scale),
        step=takes_a_step(algorithm, shape),
        onnx=max(row.largest / max(1.0, row.scale) for row in exported),
    )


def takes_a_step(algorithm: nn.Module, shape: tuple[int, ...]) -> bool:
    """One training step of the pruned network, on two samples."""
    model = algorithm.architecture
    images = torch.rand(2, *shape)
    samples = forward_arguments(model, images[:1], 'loss')['data_samples']
    samples = samples * 2 if samples else people(shape)
    if not getattr(getattr(model, 'roi_head', None), 'with_mask', False):
        for sample in samples:
            sample.get('gt_instances', {}).pop('masks', None)
    algorithm.train()
    losses = model(images, samples, mode='loss')
    loss, _ = algorithm.parse_losses(losses)
    optimizer = OptimWrapper(torch.optim.SGD(model.parameters(), lr=1e-3))
    optimizer.backward(loss)
    moved = [p.grad is not None and bool(p.grad.any()) for p in model.parameters()]
    finite = all(p.grad is None or p.grad.isfinite().all() for p in model.parameters())
    optimizer.step()
    return bool(loss.isfinite() and finite and any(moved))


def people(shape: tuple[int, ...]) -> list:
    """Two samples for a pose estimator, as its package makes them to test."""
    from mmpose.testing import get_packed_inputs

    _, height, width = shape
    return get_packed_inputs(
        2, input_size=(width, height), heatmap_size=(width // 4, height // 4)
    )['data_samples']


def tensors(output) -> list[Tensor]:
    """All of a nested output."""
    if isinstance(output, Tensor):
        return [output]
    parts = output.values() if isinstance(output, dict) else output
    return [x for part in parts for x in tensors(part)]
