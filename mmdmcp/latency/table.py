"""Latency at any widths, from what was measured at some. Pure torch.

Every layer is one table of times over its input and output channels, and
between four measured points the time is bilinear: continuous,
differentiable almost everywhere, and what was measured where it was.
"""

import copy
from collections.abc import Sequence

import torch
from torch import Tensor

from ..ops import Layout
from .profile import BlockTimes, Rest


class LatencyTable:
    """Microseconds of a network as a function of its units' widths.

    Args:
        layers: Layouts of each layer's inputs and outputs, and its times.
        num_units: Number of units.
        rest: From the sum of layers to the network.

    Example:
        >>> out = Layout([Segment(0, 8, unit=0)])
        >>> times = BlockTimes('a layer', ('a',), 1, (3,), (4, 8), ((1000, 3000),), 1, 0)
        >>> table = LatencyTable([(Layout.fixed(3), out, times)], 1, Rest(1, 500, 0))
        >>> table(torch.tensor([6]))
        tensor(2.5000, dtype=torch.float64)
    """

    def __init__(
        self,
        layers: Sequence[tuple[Layout, Layout, BlockTimes]],
        num_units: int,
        rest: Rest,
    ) -> None:
        self.rest = rest
        self._in, self._in_const = _linear([ins for ins, _, _ in layers], num_units)
        self._out, self._out_const = _linear([outs for _, outs, _ in layers], num_units)
        times = [block for _, _, block in layers]
        self._ins = _padded([block.ins for block in times])
        self._outs = _padded([block.outs for block in times])
        self._last_in = torch.tensor([max(len(block.ins) - 2, 0) for block in times])
        self._last_out = torch.tensor([max(len(block.outs) - 2, 0) for block in times])
        shape = (len(times), self._ins.size(1), self._outs.size(1))
        self._ns = torch.zeros(shape, dtype=torch.float64)  # [layers, ins, outs]
        for number, block in enumerate(times):
            ns = torch.tensor(block.ns, dtype=torch.float64)
            self._ns[number, : ns.size(0), : ns.size(1)] = ns

    def to(self, device: torch.device) -> 'LatencyTable':
        """The same with its tensors on a device."""
        copied = copy.copy(self)
        for key, value in vars(self).items():
            if isinstance(value, Tensor):
                setattr(copied, key, value.to(device))
        return copied

    def layers(self, widths: Tensor) -> Tensor:
        """Nanoseconds of each layer.

        Args:
            widths: Width of each unit, ``[..., units]``, of any type.

        Returns:
            Float64 tensor ``[..., layers]``.
        """
        widths = widths.to(self._in)
        i, x = _cell(widths @ self._in.T + self._in_const, self._ins, self._last_in)
        j, y = _cell(widths @ self._out.T + self._out_const, self._outs, self._last_out)
        rows = torch.arange(len(self._ns), device=i.device)
        right, below = (i + 1).clamp(max=self._ns.size(1) - 1), j + 1
        below = below.clamp(max=self._ns.size(2) - 1)
        time = (1 - x) * ((1 - y) * self._ns[rows, i, j] + y * self._ns[rows, i, below])
        time = time + x * (
            (1 - y) * self._ns[rows, right, j] + y * self._ns[rows, right, below]
        )
        # Below the narrowest that was measured it falls on, but not for ever.
        return time.clamp(min=0)

    def __call__(self, widths: Tensor) -> Tensor:
        """Microseconds at any widths ``[..., units]``, float64 ``[...]``."""
        layers = self.layers(widths).sum(-1)
        total = self.rest.scale * layers + self.rest.more_ns
        return total.clamp(min=1) / 1e3


def _linear(layouts: Sequence[Layout], num_units: int) -> tuple[Tensor, Tensor]:
    """Channels of each layout as ``coefficients @ widths + constant``."""
    rows = [layout.linear(num_units) for layout in layouts]
    constants = torch.tensor([row[1] for row in rows], dtype=torch.float64)
    return torch.stack([row[0] for row in rows]), constants


def _padded(axes: Sequence[Sequence[int]]) -> Tensor:
    """Axes of all layers ``[layers, points]``, the last point repeated."""
    most = max(len(axis) for axis in axes)
    rows = [[*axis, *[axis[-1]] * (most - len(axis))] for axis in axes]
    return torch.tensor(rows, dtype=torch.float64)


def _cell(x: Tensor, axes: Tensor, last: Tensor) -> tuple[Tensor, Tensor]:
    """Between which points of its axis each value lies.

    Args:
        x: Values ``[..., layers]``.
        axes: Ascending points ``[layers, points]``.
        last: Index of the last cell of each axis, ``[layers]``.

    Returns:
        Index of the left point, and the distance from it as a ratio of the
        cell's width, at most 1; both ``[..., layers]``.
    """
    index = (x.detach().unsqueeze(-1) >= axes).sum(-1) - 1
    index = torch.minimum(index.clamp(min=0), last)
    rows = torch.arange(len(axes), device=x.device)
    left, right = axes[rows, index], axes[rows, (index + 1).clamp(max=axes.size(1) - 1)]
    return index, ((x - left) / (right - left).clamp(min=1)).clamp(max=1)
