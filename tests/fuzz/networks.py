"""Small networks drawn at random: every layer kind, operation, activation.

Each is a row of blocks on a feature map. A block is a module that is drawn
for the channels it gets and says how many it gives; blocks nest. The same
seed draws the same network.
"""

import random
from collections.abc import Callable

import torch
from fuzz.operations import OPERATIONS
from torch import Tensor, nn
from torch.nn import functional as F

#: Channels, height and width of the images.
SHAPE = (3, 12, 12)


class Call(nn.Module):
    """Runs a function of its input and of its layers."""

    def __init__(self, name: str, function: Callable, **layers) -> None:
        super().__init__()
        self.name, self.function = name, function
        for key, layer in layers.items():
            setattr(self, key, layer)

    def forward(self, x: Tensor) -> Tensor:
        return self.function(self, x)

    def extra_repr(self) -> str:
        return self.name


Drawn = tuple[nn.Module, int]


class Drawer:
    """Draws blocks.

    Args:
        seed: Of everything that is drawn.
    """

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.blocks = [
            getattr(self, name) for name in sorted(dir(self)) if name.startswith('a_')
        ]

    def draw(self, channels: int, depth: int = 0) -> Drawn:
        """One block that takes so many channels."""
        while True:
            try:
                return self.random.choice(self.blocks)(channels, depth)
            except LookupError:  # none of that kind for so many channels
                continue

    def row(self, channels: int, length: int, depth: int = 0) -> Drawn:
        """Blocks one behind the other."""
        row = []
        for _ in range(length):
            block, channels = self.draw(channels, depth)
            row.append(block)
        return nn.Sequential(*row), channels

    def same(self, channels: int, depth: int) -> nn.Module:
        """Blocks that give as many channels as they take."""
        inner, given = self._inner(channels, depth)
        return nn.Sequential(inner, conv(given, channels))

    def _inner(self, channels: int, depth: int) -> Drawn:
        if depth >= 2:
            return nn.Identity(), channels
        return self.row(channels, self.random.randint(1, 2), depth + 1)

    def _number(self) -> int:
        return self.random.choice([4, 6, 8, 12])

    def _divisor(self, channels: int) -> int:
        return self.random.choice([d for d in range(1, 7) if channels % d == 0])

    # ---- layers ------------------------------------------------------

    def a_convolution(self, channels: int, _depth: int) -> Drawn:
        made, pick = self._number(), self.random.choice
        groups = pick([g for g in (1, 1, 2, 3) if channels % g == made % g == 0])
        kernel = pick([1, 3, 5])
        layer = nn.Conv2d(
            channels,
            made,
            kernel,
            padding=kernel // 2,
            groups=groups,
            bias=pick([True, False]),
        )
        return layer, made

    def a_normalised_convolution(self, channels: int, depth: int) -> Drawn:
        layer, made = self.a_convolution(channels, depth)
        norm, _ = self.a_norm(made, depth)
        act, _ = self.a_activation(made, depth)
        return nn.Sequential(layer, norm, act), made

    def a_depthwise(self, channels: int, _depth: int) -> Drawn:
        made = channels * self.random.choice([1, 1, 2])
        return nn.Conv2d(channels, made, 3, padding=1, groups=channels), made

    def a_transposed(self, channels: int, _depth: int) -> Drawn:
        made = self._number()
        groups = self.random.choice([1, self._common(channels, made)])
        return nn.ConvTranspose2d(channels, made, 3, padding=1, groups=groups), made

    def _common(self, a: int, b: int) -> int:
        return 2 if a % 2 == b % 2 == 0 else 1

    def a_norm(self, channels: int, _depth: int) -> Drawn:
        last = self.random.choice([nn.LayerNorm, getattr(nn, 'RMSNorm', nn.LayerNorm)])
        pick = self.random.choice
        norm = pick(
            [
                nn.BatchNorm2d(channels),
                nn.BatchNorm2d(channels),
                nn.BatchNorm2d(channels, affine=False),
                nn.InstanceNorm2d(channels, affine=pick([True, False])),
                nn.GroupNorm(1, channels),
                nn.GroupNorm(self._divisor(channels), channels),
                Call(
                    'channels last',
                    lambda m, x: m.norm(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2),
                    norm=last(channels),
                ),
            ]
        )
        return norm, channels

    def a_activation(self, channels: int, _depth: int) -> Drawn:
        inplace = self.random.choice([True, False])
        kind = self.random.choice(ACTIVATIONS)
        if kind is nn.PReLU:
            return nn.PReLU(self.random.choice([1, channels])), channels
        try:
            return kind(inplace=inplace), channels
        except TypeError:
            return kind(), channels

    def a_row(self, channels: int, _depth: int) -> Drawn:
        """One dimension: the pixels in a row."""
        made = self._number()
        row = nn.Sequential(
            nn.Conv1d(channels, made, 3, padding=1, bias=False),
            nn.BatchNorm1d(made),
            nn.ConvTranspose1d(made, made, 3, padding=1, groups=made),
        )
        return (
            Call(
                'row',
                lambda m, x: m.row(x.flatten(2)).unflatten(2, x.shape[2:]),
                row=row,
            ),
            made,
        )

    def a_volume(self, channels: int, _depth: int) -> Drawn:
        """Three dimensions: maps of one image as frames."""
        made = self._number()
        volume = nn.Sequential(
            nn.Conv3d(channels, made, 3, padding=1), nn.BatchNorm3d(made)
        )
        return (
            Call('volume', lambda m, x: m.volume(x[:, :, None]).mean(2), volume=volume),
            made,
        )

    def a_linear(self, channels: int, _depth: int) -> Drawn:
        made = self._number()
        return (
            Call(
                'linear',
                lambda m, x: m.fc(x.movedim(1, -1)).movedim(-1, 1),
                fc=nn.Linear(channels, made),
            ),
            made,
        )

    def a_transformer(self, channels: int, _depth: int) -> Drawn:
        if channels % 2:
            raise LookupError
        layer = nn.TransformerEncoderLayer(
            channels, 2, 6, dropout=0.1, batch_first=True
        )
        return (
            Call(
                'transformer',
                lambda m, x: (
                    m.layer(x.flatten(2).transpose(1, 2))
                    .transpose(1, 2)
                    .unflatten(2, x.shape[2:])
                ),
                layer=layer,
            ),
            channels,
        )

    # ---- wiring ------------------------------------------------------

    def a_residual(self, channels: int, depth: int) -> Drawn:
        block = Call(
            'residual', lambda m, x: x + m.inner(x), inner=self.same(channels, depth)
        )
        return block, channels

    def a_concatenation(self, channels: int, depth: int) -> Drawn:
        one, a = self._inner(channels, depth)
        two, b = self._inner(channels, depth)
        cat = Call(
            'cat', lambda m, x: torch.cat([m.one(x), m.two(x)], 1), one=one, two=two
        )
        return cat, a + b

    def a_split(self, channels: int, depth: int) -> Drawn:
        if channels % 2:
            raise LookupError
        inner, made = self._inner(channels // 2, depth)

        def forward(m: nn.Module, x: Tensor) -> Tensor:
            left, right = x.chunk(2, 1)
            return torch.cat([m.inner(left), right], 1)

        return Call('split', forward, inner=inner), made + channels // 2

    def a_shuffle(self, channels: int, _depth: int) -> Drawn:
        groups = self._divisor(channels)

        def forward(_: nn.Module, x: Tensor) -> Tensor:
            x = x.unflatten(1, (groups, -1)).transpose(1, 2).flatten(1, 2)
            # With one channel per group it is a view: what comes next in place
            # would write to what tanh, say, keeps for its gradient.
            return x.clone()

        return Call(f'shuffle {groups}', forward), channels

    def a_twice(self, channels: int, depth: int) -> Drawn:
        inner = self.same(channels, depth)
        return Call('twice', lambda m, x: m.inner(m.inner(x)), inner=inner), channels

    def a_weight_outside(self, channels: int, _depth: int) -> Drawn:
        return (
            Call(
                'weight outside',
                lambda m, x: m.a(x) + F.conv2d(x, m.a.weight, padding=1),
                a=conv(channels, channels),
            ),
            channels,
        )

    def a_training_head(self, channels: int, depth: int) -> Drawn:
        def forward(m: nn.Module, x: Tensor) -> Tensor:
            if m.training:
                m.kept = m.head(x)
            return x

        head = nn.Sequential(conv(channels, 6), nn.ReLU(), conv(6, 2))
        return Call('training head', forward, head=head), channels

    def a_attention(self, channels: int, _depth: int) -> Drawn:
        block = self.random.choice(
            [
                Call(
                    'squeeze and excitation',
                    lambda m, x: (
                        x * m.act(m.b(m.a(x.mean((2, 3), keepdim=True)).relu()))
                    ),
                    a=nn.Conv2d(channels, 4, 1),
                    b=nn.Conv2d(4, channels, 1),
                    act=self.random.choice([nn.Sigmoid(), nn.Hardsigmoid()]),
                ),
                Call('spatial', lambda m, x: x * m.a(x).sigmoid(), a=conv(channels, 1)),
                Call(
                    'largest and mean',
                    lambda m, x: (
                        x
                        * m.a(
                            torch.cat([x.amax(1, True), x.mean(1, True)], 1)
                        ).sigmoid()
                    ),
                    a=conv(2, 1),
                ),
                Call(
                    'neighbours',
                    lambda m, x: (
                        x
                        * m.a(x.mean((2, 3))[:, None])
                        .transpose(1, 2)[..., None]
                        .sigmoid()
                    ),
                    a=nn.Conv1d(1, 1, 3, padding=1),
                ),
            ]
        )
        return block, channels

    # ---- operations --------------------------------------------------

    def a_parameter(self, channels: int, _depth: int) -> Drawn:
        shape = self.random.choice([(channels, 1, 1), (1, channels, 1, 1)])
        plus = self.random.choice([True, False])
        block = Call(
            f'parameter {shape} {"+" if plus else "*"}',
            lambda m, x: x + m.p if plus else x * m.p,
            p=nn.Parameter(torch.ones(shape)),
        )
        return block, channels

    def a_operation(self, channels: int, _depth: int) -> Drawn:
        name = self.random.choice(sorted(OPERATIONS))
        function = OPERATIONS[name]
        made = function(torch.zeros(1, channels, 12, 12)).size(1)
        return Call(name, lambda _, x: function(x)), made

    def a_pool(self, channels: int, _depth: int) -> Drawn:
        block = self.random.choice(
            [
                nn.MaxPool2d(3, 1, 1),
                nn.AvgPool2d(3, 1, 1),
                nn.Dropout2d(0.1),
                nn.Dropout(0.1),
                nn.Identity(),
            ]
        )
        return block, channels


def conv(inputs: int, outputs: int) -> nn.Conv2d:
    return nn.Conv2d(inputs, outputs, 3, padding=1)


ACTIVATIONS = [
    getattr(nn, name)
    for name in torch.nn.modules.activation.__all__
    if name not in ('GLU', 'MultiheadAttention', 'Threshold', 'Softmin', 'Softmax2d')
    and 'oftmax' not in name
]


def network(seed: int) -> nn.Module:
    """A network for images of :data:`SHAPE`.

    Args:
        seed: Which one.
    """
    torch.manual_seed(seed)
    drawer = Drawer(seed)
    body, channels = drawer.row(8, drawer.random.randint(2, 5))
    end = drawer.random.choice(['map', 'pooled', 'flat', 'two'])
    if end == 'flat':
        tail = nn.Sequential(
            nn.AdaptiveAvgPool2d(2), nn.Flatten(), nn.Linear(4 * channels, 3)
        )
    elif end == 'pooled':
        tail = nn.Sequential(
            nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(channels, 3)
        )
    elif end == 'two':
        tail = Call(
            'two',
            lambda m, x: (m.a(x), m.b(x)),
            a=conv(channels, 3),
            b=nn.Conv2d(channels, 2, 1),
        )
    else:
        tail = conv(channels, 3)
    return nn.Sequential(conv(3, 8), body, tail)
