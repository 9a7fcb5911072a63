"""Whether a channel that is zero is the same as one that is not there.

Trainable gates close a channel by multiplying it by zero, and cut it at the
end. That is the same network if zero stays zero on the way to every layer
that reads the channel, and if nothing that is computed from all channels
counts it: no largest one, no mean, no softmax. Both are looked at as such,
since an output shows them on few inputs only; that the two networks give
the same output is tried as well, in double precision, on several inputs
and weights.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial

import torch
from torch import Tensor, nn
from torch.utils._pytree import tree_leaves

from ..channels.groups import InOut, Trace
from ..errors import failure
from ..layers import LayerKind
from ..ops import SlicedLayer
from .gate_sites import GateSites
from .probe_weights import probe_weights
from .sample_run import SampleRuns
from .units import scaled_layers, sliced_layers

#: Seed of the input and the weights, and the ratio of channels to keep.
PROBES = ((0, 0.37), (1, 0.67), (2, 0.37))
_DIFFERENT = (
    'a network without some of its channels is not the one in which they are zero: '
)
Failed = list[tuple[int, str]]
Split = Callable[
    [list[int], Callable[[Sequence[int]], str | None]], tuple[list[int], Failed]
]


def same_when_zeroed(
    model: nn.Module,
    trace: Trace,
    layouts: dict[str, InOut],
    groups: list[int],
    runs: SampleRuns,
    sites: GateSites,
    split: Split,
) -> tuple[list[int], Failed]:
    """Sort groups by whether zeroing channels is the same as dropping them.

    Args:
        model: The model, in eval mode.
        trace: What the analyzer found.
        layouts: Layouts of every layer.
        groups: Groups that can be pruned, as far as shapes go.
        runs: Samples through the model.
        sites: Where gates sit.
        split: Sorts groups by an attempt that gives a reason or None.

    Returns:
        Groups for which it is the same, and the others with the reason.
    """
    failed = [
        (g, f'{_DIFFERENT}{trace.mixed[g]} reads all of them')
        for g in groups
        if g in trace.mixed
    ]
    groups = [g for g in groups if g not in trace.mixed]
    with runs.small():
        for seed, ratio in PROBES:
            with double_precision(model, runs) as tolerance:
                with probe_weights(model, partial(runs.outputs, seed), seed):
                    trial = _Trial(
                        model, trace.sizes, layouts, runs, sites, seed, tolerance
                    )
                    groups, more = split(groups, partial(trial, ratio=ratio))
                    failed += more
    return groups, failed


@contextmanager
def double_precision(model: nn.Module, runs: SampleRuns) -> Iterator[float]:
    """Inside, the model's numbers have 64 bits, if it runs with them.

    Yields:
        How far apart outputs may be and still count as the same, compared
        with how far apart those of different networks are.
    """
    tensors = [
        t for t in (*model.parameters(), *model.buffers()) if t.is_floating_point()
    ]
    kept = [tensor.data for tensor in tensors]
    default = torch.get_default_dtype()
    tolerance = 1e-6
    try:
        torch.set_default_dtype(torch.float64)
        for tensor in tensors:
            tensor.data = tensor.data.double()
        try:
            runs.outputs()
        except Exception:  # it asks for single precision somewhere
            torch.set_default_dtype(default)
            for tensor, data in zip(tensors, kept):
                tensor.data = data.clone()
            tolerance = 1e-3
        yield tolerance
    finally:
        torch.set_default_dtype(default)
        for tensor, data in zip(tensors, kept):
            tensor.data = data


class _Trial:
    """Compares a model without some channels with one that has them zeroed.

    Args:
        model: The model.
        sizes: Channels of each group.
        layouts: Layouts of every layer.
        runs: Samples through the model.
        sites: Where gates sit.
        seed: Of the input.
        tolerance: As in :func:`double_precision`.
    """

    def __init__(
        self,
        model: nn.Module,
        sizes: Sequence[int],
        layouts: dict[str, InOut],
        runs: SampleRuns,
        sites: GateSites,
        seed: int,
        tolerance: float,
    ) -> None:
        self.model, self.sizes, self.layouts = model, sizes, layouts
        self.runs, self.sites = runs, sites
        self.seed, self.tolerance = seed, tolerance
        self.reference = self._values()

    def __call__(self, groups: Sequence[int], ratio: float) -> str | None:
        """Why they are not the same at about that ratio of the channels;
        None if they are.

        Channels are spread over the unit; what counts is how far the two
        outputs are apart compared with how far either is from the full one,
        so that weights of any size can be judged.
        """
        if not self.reference.isfinite().all() and self.seed:
            return None  # too large for what the model computes
        layers = sliced_layers(
            self.model, self.layouts, {g: i for i, g in enumerate(groups)}
        )
        sizes = [self.sizes[g] for g in groups]
        kept = _spread(sizes, ratio)
        device = self.reference.device
        masks = [
            torch.zeros(size, device=device).index_fill(
                0, torch.tensor(some, device=device), 1.0
            )
            for size, some in zip(sizes, kept)
        ]
        for layer in layers:
            layer.attach(self.model)
            layer.select(kept)
        try:
            dropped = self._values()
            for layer in layers:
                layer.select(sizes)
            for layer in scaled_layers(layers, self.sites):
                layer.scale(masks, open_only=True)
            with _closed_inputs(layers, masks) as readers:
                zeroed = self._values()
        except Exception as error:
            return f'the model fails with fewer channels ({failure(error)})'
        finally:
            for layer in layers:
                layer.select(sizes)
                layer.detach(self.model)
        if readers:
            return (
                f'{_DIFFERENT}{readers[0]} reads something else from them, since '
                'some operation before it is not zero at zero'
            )
        apart = (dropped - zeroed).abs().max()
        moved = (dropped - self.reference).abs().max()
        rounding = self.tolerance * 1e-5 * self.reference.abs().max()
        if apart <= torch.maximum(self.tolerance * moved, rounding):
            return None
        return f'{_DIFFERENT}some operation mixes or reorders the channels'

    def _values(self) -> Tensor:
        """All numbers of the model's outputs, in one row."""
        leaves = tree_leaves(self.runs.outputs(self.seed))
        return torch.cat(
            [x.flatten().double() for x in leaves if isinstance(x, Tensor)]
        )


def odd_width(size: int, ratio: float) -> int:
    """An odd number of channels, about that ratio of all."""
    return min(size - 1, int(size * ratio) // 2 * 2 + 1) if size > 2 else 1


def _spread(sizes: Sequence[int], ratio: float) -> list[tuple[int, ...]]:
    """Some channels of each unit: odd numbers of them, that differ between
    neighbours, anywhere in the unit."""
    generator = torch.Generator().manual_seed(0)
    kept = []
    for i, size in enumerate(sizes):
        width = odd_width(size, ratio * (0.6, 1.0, 1.4)[i % 3])
        order = torch.randperm(size, generator=generator)
        kept.append(tuple(sorted(order[:width].tolist())))
    return kept


@contextmanager
def _closed_inputs(
    layers: Sequence[SlicedLayer], masks: Sequence[Tensor]
) -> Iterator[list[str]]:
    """Notes layers that meet something else than zero in closed channels.

    Norms and depthwise convolutions are left out: they pass channels on,
    and gates may sit behind them.
    """
    found: list[str] = []

    def watch(name: str, kind: LayerKind, closed: Tensor):
        def look(module: nn.Module, inputs: tuple) -> None:
            if not inputs:
                return
            dim = kind.channel_dim(module, inputs[0].shape)
            if (inputs[0].movedim(dim, -1)[..., closed] != 0).any():
                found.append(name)

        return look

    handles = []
    for layer in layers:
        if layer.in_layout.units and layer.kind.makes_channels:
            closed = layer.in_layout.spread(masks) == 0
            watcher = watch(layer.name, layer.kind, closed)
            handles.append(layer.module.register_forward_pre_hook(watcher))
    try:
        yield found
    finally:
        for handle in handles:
            handle.remove()
