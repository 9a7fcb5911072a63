"""Networks of many families, in small, with weights as if trained."""

import torch
from torch import nn

SHAPE = (3, 32, 32)


def classifier(backbone: str, channels: int, **options) -> dict:
    """Config of a ten-class classifier."""
    return dict(
        type='mmpretrain.ImageClassifier',
        backbone=dict(type=f'mmpretrain.{backbone}', **options),
        neck=dict(type='mmpretrain.GlobalAveragePooling'),
        head=dict(
            type='mmpretrain.LinearClsHead', num_classes=10, in_channels=channels
        ),
    )


_TWO_STAGES = dict(
    depth=50, num_stages=2, strides=(1, 2), dilations=(1, 1), out_indices=(1,)
)

#: Family to a config. Between them: residual sums, groups, depthwise
#: convolutions, squeeze-and-excitation with activations that are not zero at
#: zero, concatenation, channel shuffle, norms over all channels.
FAMILIES = {
    'ResNet': classifier('ResNet', 128, depth=18, base_channels=16, stem_channels=16),
    'ResNet with group norm': classifier(
        'ResNet', 512, depth=18, norm_cfg=dict(type='GN', num_groups=1)
    ),
    'ResNeXt': classifier('ResNeXt', 512, groups=4, width_per_group=4, **_TWO_STAGES),
    'SEResNet': classifier('SEResNet', 512, **_TWO_STAGES),
    'MobileNetV2': classifier('MobileNetV2', 1280, widen_factor=0.25),
    'MobileNetV3': classifier('MobileNetV3', 576, arch='small'),
    'DenseNet': classifier(
        'DenseNet', 32, arch=dict(growth_rate=8, depths=[2, 2], init_channels=16)
    ),
    'RegNet': classifier(
        'RegNet',
        392,
        arch=dict(w0=24, wa=24.48, wm=2.54, group_w=8, depth=12, bot_mul=1.0),
    ),
    'EfficientNet': classifier('EfficientNet', 1280, arch='b0'),
    'ShuffleNetV2': classifier('ShuffleNetV2', 1024, widen_factor=0.5),
    'VGG': classifier('VGG', 512, depth=11, norm_cfg=dict(type='BN')),
    'PoolFormer': classifier(
        'PoolFormer',
        64,
        arch=dict(
            layers=[1, 1, 1, 1],
            embed_dims=[16, 24, 32, 64],
            mlp_ratios=[4, 4, 4, 4],
            layer_scale_init_value=1.0,
        ),
    ),
}


@torch.no_grad()
def as_if_trained(model: nn.Module, seed: int = 0) -> nn.Module:
    """Norms with scales, shifts and statistics that are nothing special.

    Fresh norms shift by 0: what a closed channel adds would not be seen.
    """
    generator = torch.Generator().manual_seed(seed)
    for module in model.modules():
        if isinstance(module, (nn.BatchNorm2d, nn.GroupNorm)):
            module.weight.uniform_(0.5, 1.5, generator=generator)
            module.bias.uniform_(-0.5, 0.5, generator=generator)
        if isinstance(module, nn.BatchNorm2d):
            module.momentum = 1.0
    model.train()
    model(torch.randn(4, *SHAPE, generator=generator))
    return model.eval()
