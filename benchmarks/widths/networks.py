"""The networks of the two tables, at any widths, and as full nets to search.

Two things of a full net are made for the search, so that the units found in
it are exactly the table's positions: what has to be equal inside a position
is tied, by multiplying it with one shared vector of ones; and a skip that is
the identity only where two positions are equally wide is a convolution.
"""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from mmengine.model import BaseModel
from torch import Tensor, nn


def conv_bn(in_: int, out: int, kernel: int = 3, stride: int = 1) -> nn.Sequential:
    """A convolution without bias that keeps the size, and its norm."""
    return nn.Sequential(
        nn.Conv2d(in_, out, kernel, stride, kernel // 2, bias=False),
        nn.BatchNorm2d(out),
    )


class Tie(nn.Module):
    """Ones that every tensor of a position is multiplied with.

    Args:
        channels: Of the position; 0 makes it the identity.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        ones = torch.ones(channels, 1, 1)
        self.ones = nn.Parameter(ones, requires_grad=False) if channels else None

    def forward(self, x: Tensor) -> Tensor:
        """``[N, channels, H, W]``, unchanged."""
        return x if self.ones is None else x * self.ones.to(x.dtype)


class Cell(nn.Module):
    """A densely connected cell of NATS-Bench: three nodes after the input.

    Args:
        in_: Channels of the input.
        out: Channels of every node.
        tied: Whether to tie its nodes.
        conv_skip: Whether the skip is a convolution even if ``in_ == out``.
    """

    def __init__(
        self, in_: int, out: int, tied: bool = False, conv_skip: bool = False
    ) -> None:
        super().__init__()
        self.to_1 = conv_bn(in_, out)
        self.to_2 = nn.ModuleList([conv_bn(in_, out), conv_bn(out, out)])
        self.to_3 = nn.ModuleList([conv_bn(out, out), conv_bn(out, out)])
        identity = in_ == out and not conv_skip
        self.skip = nn.Identity() if identity else conv_bn(in_, out, 1)
        self.tie = Tie(out if tied else 0)

    def forward(self, x: Tensor) -> Tensor:
        """``[N, in, H, W]`` to ``[N, out, H, W]``."""
        read = F.relu(x)
        first = self.tie(self.to_1(read))
        read_1 = F.relu(first)
        second = self.tie(self.to_2[0](read) + self.to_2[1](read_1))
        third = self.to_3[0](read_1) + self.to_3[1](F.relu(second))
        return self.tie(self.skip(x) + third)


class Block(nn.Module):
    """A residual block of NATS-Bench that halves the size."""

    def __init__(self, in_: int, out: int, tied: bool = False) -> None:
        super().__init__()
        self.first = conv_bn(in_, out, stride=2)
        self.second = conv_bn(out, out)
        self.shortcut = nn.Conv2d(in_, out, 1, bias=False)
        self.tie = Tie(out if tied else 0)

    def forward(self, x: Tensor) -> Tensor:
        """``[N, in, H, W]`` to ``[N, out, H/2, W/2]``."""
        inner = self.tie(self.first(F.relu(x)))
        return self.tie(self.second(F.relu(inner)) + self.shortcut(F.avg_pool2d(x, 2)))


class NATSNet(nn.Module):
    """A network of NATS-Bench's size space (Dong et al., TPAMI 2021).

    Args:
        widths: Channels of the five positions.
        search: Whether to make it a full net to search.
    """

    def __init__(self, widths: Sequence[int], search: bool = False) -> None:
        super().__init__()
        c = list(widths)
        self.stem = conv_bn(3, c[0])
        self.body = nn.Sequential(
            Cell(c[0], c[0], search),
            Block(c[0], c[1], search),
            Cell(c[1], c[2], search, conv_skip=search),
            Block(c[2], c[3], search),
            Cell(c[3], c[4], search, conv_skip=search),
        )
        self.norm = nn.BatchNorm2d(c[4])
        self.fc = nn.Linear(c[4], 10)

    def forward(self, x: Tensor) -> Tensor:
        """Images ``[N, 3, 32, 32]`` to logits ``[N, 10]``."""
        x = F.relu(self.norm(self.body(self.stem(x))))
        return self.fc(x.mean(dim=(2, 3)))


class Residual(nn.Module):
    """Two convolutions; the input is added where the sizes allow."""

    def __init__(self, in_: int, inner: int, out: int, stride: int = 1) -> None:
        super().__init__()
        self.first = conv_bn(in_, inner, stride=stride)
        self.second = conv_bn(inner, out)
        self.adds = stride == 1

    def forward(self, x: Tensor) -> Tensor:
        """``[N, in, H, W]`` to ``[N, out, H/stride, W/stride]``."""
        out = self.second(F.relu(self.first(x)))
        return F.relu(out + x if self.adds else out)


class ChannelBenchNet(nn.Module):
    """The ResNet of Channel-Bench-Macro (Su et al., TPAMI 2022).

    Its positions are tied by its own additions; the block that changes the
    size has no shortcut in the table's counts, and none here.

    Args:
        widths: Channels of the seven positions.
        search: Unused: the full net is already one to search.
    """

    def __init__(self, widths: Sequence[int], search: bool = False) -> None:
        super().__init__()
        c = list(widths)
        self.stem = conv_bn(3, c[0], stride=2)
        self.body = nn.Sequential(
            Residual(c[0], c[1], c[0]),
            Residual(c[0], c[2], c[0]),
            Residual(c[0], c[3], c[4], stride=2),
            Residual(c[4], c[5], c[4]),
            Residual(c[4], c[6], c[4]),
        )
        self.fc = nn.Linear(c[4], 10)

    def forward(self, x: Tensor) -> Tensor:
        """Images ``[N, 3, 32, 32]`` to logits ``[N, 10]``."""
        x = self.body(F.relu(self.stem(x)))
        return self.fc(x.mean(dim=(2, 3)))


class Classifier(BaseModel):
    """A network as a model of MMEngine, trained with cross-entropy."""

    def __init__(self, net: nn.Module) -> None:
        super().__init__()
        self.net = net

    def forward(
        self, inputs: Tensor, data_samples: Tensor | None = None, mode: str = 'tensor'
    ) -> Tensor | dict[str, Tensor]:
        """Logits ``[N, 10]``, or the loss of labels ``[N]``."""
        logits = self.net(inputs)
        if mode == 'loss':
            return dict(loss=F.cross_entropy(logits.float(), data_samples))
        return logits
