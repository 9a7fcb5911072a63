"""The CIFAR ResNet of depth 6n + 2: ResNet-20, 32, 44, 56, 110.

mmpretrain's ``ResNet_CIFAR`` is the ImageNet network with a 3x3 stem
(11 M parameters at its smallest); the pruning literature reports on the
far smaller networks of He et al., section 4.2.
"""

from collections.abc import Sequence

from mmcv.cnn import build_activation_layer, build_conv_layer, build_norm_layer
from mmengine.model import BaseModule
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from ..errors import ConfigError
from ..registry import MODELS

NUM_STAGES = 3
DEFAULT_INIT = [
    dict(type='Kaiming', layer=['Conv2d']),
    dict(type='Constant', val=1, layer=['_BatchNorm', 'GroupNorm']),
]


class CifarBlock(BaseModule):
    """Two 3x3 convolutions and a shortcut.

    Args:
        in_channels (int): Channels of the input.
        channels (int): Channels of both convolutions.
        stride (int): Stride of the first convolution and of the shortcut.
        norm_cfg (dict): Config of the normalisation layers.
        act_cfg (dict): Config of the activation layers.
    """

    def __init__(
        self,
        in_channels: int,
        channels: int,
        stride: int,
        norm_cfg: dict,
        act_cfg: dict,
    ) -> None:
        super().__init__()
        self.conv1 = build_conv_layer(
            None, in_channels, channels, 3, stride, padding=1, bias=False
        )
        self.norm1_name, norm1 = build_norm_layer(norm_cfg, channels, 1)
        self.add_module(self.norm1_name, norm1)
        self.conv2 = build_conv_layer(
            None, channels, channels, 3, padding=1, bias=False
        )
        self.norm2_name, norm2 = build_norm_layer(norm_cfg, channels, 2)
        self.add_module(self.norm2_name, norm2)
        self.relu = build_activation_layer(act_cfg)
        self.downsample = None
        if stride != 1 or in_channels != channels:
            self.downsample = nn.Sequential(
                build_conv_layer(None, in_channels, channels, 1, stride, bias=False),
                build_norm_layer(norm_cfg, channels)[1],
            )

    @property
    def norm1(self) -> nn.Module:
        return getattr(self, self.norm1_name)

    @property
    def norm2(self) -> nn.Module:
        return getattr(self, self.norm2_name)

    def forward(self, x: Tensor) -> Tensor:
        """``[N, in_channels, H, W]`` to ``[N, channels, H/s, W/s]``."""
        shortcut = x if self.downsample is None else self.downsample(x)
        out = self.relu(self.norm1(self.conv1(x)))
        out = self.norm2(self.conv2(out))
        return self.relu(out + shortcut)


@MODELS.register_module()
class ResNetCifar(BaseModule):
    """CIFAR ResNet (He et al. 2016, section 4.2).

    A 3x3 stem and three stages of n blocks at full, half and quarter
    resolution; depth 6n + 2 counts the convolutions of the main path and
    the classifier.

    Where a stage changes shape the shortcut is a 1x1 projection (the
    paper's option B). Its parameter-free option A appends zero channels at
    fixed positions, which would tie every stage's width to the one before
    it: the network could not be pruned stage by stage. The projections add
    2,752 parameters, 0.6 % of ResNet-20's multiply-accumulates and 0.2 % of
    ResNet-56's; the paper's counts stay 0.27 M and, rounded up, 0.86 M
    instead of 0.85 M.

    Args:
        depth (int): 6n + 2 for a positive n: 8, 14, 20, 32, 44, 56, 110...
        in_channels (int): Channels of the image. Defaults to 3.
        base_channels (int | Sequence[int]): Channels of the first stage,
            doubled in each later one; or the channels of each of the three
            stages. Defaults to 16.
        out_indices (Sequence[int]): The stages, 0 to 2, whose output is
            returned. Defaults to (2, ).
        frozen_stages (int): Stages to keep fixed: -1 for none, 0 for the
            stem, k for the stem and the first k stages. Defaults to -1.
        norm_cfg (dict): Config of the normalisation layers. Defaults to BN.
        act_cfg (dict): Config of the activation layers. Defaults to ReLU.
        norm_eval (bool): Keep batch normalisation in eval mode while
            training. Defaults to False.
        init_cfg (dict | list[dict], optional): Initialisation. Defaults to
            Kaiming for convolutions and 1 for norms.

    Raises:
        ConfigError: If an argument is out of its range.

    Example:
        >>> import torch
        >>> from mmdmcp import ResNetCifar
        >>> net = ResNetCifar(depth=20)
        >>> net(torch.zeros(1, 3, 32, 32))[0].shape
        torch.Size([1, 64, 8, 8])
    """

    def __init__(
        self,
        depth: int,
        in_channels: int = 3,
        base_channels: int | Sequence[int] = 16,
        out_indices: Sequence[int] = (2,),
        frozen_stages: int = -1,
        norm_cfg: dict | None = None,
        act_cfg: dict | None = None,
        norm_eval: bool = False,
        init_cfg: dict | list[dict] | None = None,
    ) -> None:
        if act_cfg is None:
            act_cfg = dict(type='ReLU', inplace=True)
        if norm_cfg is None:
            norm_cfg = dict(type='BN')
        super().__init__(DEFAULT_INIT if init_cfg is None else init_cfg)
        num_blocks = _blocks_per_stage(depth)
        stage_channels = _stage_channels(base_channels)
        if not out_indices or not set(out_indices) <= set(range(NUM_STAGES)):
            raise ConfigError(
                f'out_indices={tuple(out_indices)!r}: ResNetCifar has the '
                'stages 0, 1 and 2; name at least one of them'
            )
        if frozen_stages not in range(-1, NUM_STAGES + 1):
            raise ConfigError(
                f'frozen_stages={frozen_stages!r}: give -1 '
                '(none), 0 (stem) or 1 to 3 (stem and stages)'
            )
        self.depth = depth
        self.out_indices = tuple(out_indices)
        self.frozen_stages = frozen_stages
        self.norm_eval = norm_eval

        self.conv1 = build_conv_layer(
            None, in_channels, stage_channels[0], 3, padding=1, bias=False
        )
        self.norm1_name, norm1 = build_norm_layer(norm_cfg, stage_channels[0], 1)
        self.add_module(self.norm1_name, norm1)
        self.relu = build_activation_layer(act_cfg)

        width = stage_channels[0]
        for stage, channels in enumerate(stage_channels):
            blocks = []
            for i in range(num_blocks):
                stride = 2 if stage > 0 and i == 0 else 1
                blocks.append(CifarBlock(width, channels, stride, norm_cfg, act_cfg))
                width = channels
            self.add_module(f'layer{stage + 1}', nn.Sequential(*blocks))
        self._freeze_stages()

    @property
    def norm1(self) -> nn.Module:
        return getattr(self, self.norm1_name)

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        """Run the network.

        Args:
            x (torch.Tensor): Images, ``[N, in_channels, H, W]``.

        Returns:
            tuple[torch.Tensor]: The stages of ``out_indices``; stage s is
            ``[N, channels, H / 2**s, W / 2**s]``, sides rounded up.
        """
        x = self.relu(self.norm1(self.conv1(x)))
        outs = []
        for stage in range(NUM_STAGES):
            x = getattr(self, f'layer{stage + 1}')(x)
            if stage in self.out_indices:
                outs.append(x)
        return tuple(outs)

    def train(self, mode: bool = True) -> 'ResNetCifar':
        super().train(mode)
        self._freeze_stages()
        if mode and self.norm_eval:
            for module in self.modules():
                if isinstance(module, _BatchNorm):
                    module.eval()
        return self

    def _freeze_stages(self) -> None:
        if self.frozen_stages < 0:
            return
        fixed = [self.conv1, self.norm1]
        fixed += [
            getattr(self, f'layer{stage + 1}') for stage in range(self.frozen_stages)
        ]
        for module in fixed:
            module.eval()
            for param in module.parameters():
                param.requires_grad = False


def _blocks_per_stage(depth: int) -> int:
    """n of depth 6n + 2."""
    if not isinstance(depth, int) or depth < 8 or (depth - 2) % 6:
        raise ConfigError(
            f'depth={depth!r}: a CIFAR ResNet has depth 6n + 2: '
            '8, 14, 20, 32, 44, 56, 110, ...'
        )
    return (depth - 2) // 6


def _stage_channels(base_channels: int | Sequence[int]) -> tuple[int, ...]:
    """The widths of the three stages."""
    if isinstance(base_channels, int):
        base_channels = [base_channels * 2**s for s in range(NUM_STAGES)]
    channels = tuple(base_channels)
    if len(channels) != NUM_STAGES or not all(
        isinstance(c, int) and c > 0 for c in channels
    ):
        raise ConfigError(
            f'base_channels={base_channels!r}: give one '
            'positive integer, or one for each of 3 stages'
        )
    return channels
