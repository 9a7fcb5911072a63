"""One small classifier of every convolutional family of mmpretrain 1.2."""

# Families whose strides need it get a larger image; nothing else is gained
# by one: costs are exact or not at any size.
SMALL = (3, 64, 64)


def classifier(
    backbone: str, channels: int, neck: str = 'GlobalAveragePooling', **options
) -> dict:
    """Config of a ten-class classifier.

    Args:
        backbone: Type of the backbone.
        channels: Channels of its last output.
        neck: Type of the neck, or ``''`` for none.
        options: Options of the backbone.
    """
    return dict(
        type='mmpretrain.ImageClassifier',
        backbone=dict(type=f'mmpretrain.{backbone}', **options),
        neck=dict(type=f'mmpretrain.{neck}') if neck else None,
        head=dict(
            type='mmpretrain.LinearClsHead',
            num_classes=10,
            in_channels=channels,
            loss=dict(type='mmpretrain.CrossEntropyLoss'),
        ),
    )


_BN = dict(type='BN')

#: Family to the config of one of its networks.
ZOO: dict[str, dict] = {
    'AlexNet': dict(
        type='mmpretrain.ImageClassifier',
        backbone=dict(type='mmpretrain.AlexNet', num_classes=10),
        head=dict(type='mmpretrain.ClsHead'),
    ),
    'LeNet5': dict(
        type='mmpretrain.ImageClassifier',
        backbone=dict(type='mmpretrain.LeNet5', num_classes=10),
        head=dict(type='mmpretrain.ClsHead'),
    ),
    'VGG': classifier('VGG', 512, depth=11, norm_cfg=_BN),
    'ResNet-18': classifier('ResNet', 512, depth=18),
    'ResNet-50': classifier('ResNet', 2048, depth=50),
    'ResNet_CIFAR': classifier('ResNet_CIFAR', 512, depth=18),
    'ResNetV1c': classifier('ResNetV1c', 2048, depth=50),
    'ResNetV1d': classifier('ResNetV1d', 2048, depth=50),
    'ResNeXt': classifier('ResNeXt', 2048, depth=50),
    'SEResNet': classifier('SEResNet', 2048, depth=50),
    'SEResNeXt': classifier('SEResNeXt', 2048, depth=50),
    'Res2Net': classifier('Res2Net', 2048, depth=50),
    'ResNeSt': classifier('ResNeSt', 2048, depth=50),
    'RegNet': classifier('RegNet', 384, arch='regnetx_400mf'),
    'DenseNet': classifier('DenseNet', 1024, arch='121'),
    'MobileNetV2': classifier('MobileNetV2', 1280),
    'MobileNetV3-small': classifier('MobileNetV3', 576, arch='small'),
    'MobileNetV3-large': classifier('MobileNetV3', 960, arch='large'),
    'EfficientNet': classifier('EfficientNet', 1280, arch='b0'),
    'EfficientNetV2': classifier('EfficientNetV2', 1280, arch='b0'),
    'ShuffleNetV1': classifier('ShuffleNetV1', 960),
    'ShuffleNetV2': classifier('ShuffleNetV2', 1024),
    'CSPDarkNet': classifier('CSPDarkNet', 1024, depth=53),
    'CSPResNet': classifier('CSPResNet', 1024, depth=50),
    'CSPResNeXt': classifier('CSPResNeXt', 2048, depth=50),
    'HRNet': dict(
        classifier('HRNet', 2048, arch='w18'),
        neck=[
            dict(type='mmpretrain.HRFuseScales', in_channels=(18, 36, 72, 144)),
            dict(type='mmpretrain.GlobalAveragePooling'),
        ],
    ),
    'MobileOne': classifier('MobileOne', 1024, arch='s0', out_indices=(3,)),
    'RepVGG': classifier('RepVGG', 1280, arch='A0', out_indices=(3,)),
    'InceptionV3': dict(
        type='mmpretrain.ImageClassifier',
        backbone=dict(type='mmpretrain.InceptionV3', num_classes=10, aux_logits=False),
        head=dict(type='mmpretrain.ClsHead'),
    ),
    'PoolFormer': classifier('PoolFormer', 512, arch='s12'),
    'RIFormer': classifier('RIFormer', 512, arch='s12'),
    'ConvNeXt': classifier('ConvNeXt', 320, neck='', arch='atto'),
    'ConvNeXtV2': classifier(
        'ConvNeXt', 320, neck='', arch='atto', layer_scale_init_value=0.0, use_grn=True
    ),
    'ConvMixer': classifier(
        'ConvMixer',
        96,
        act_cfg=dict(type='GELU'),
        arch=dict(embed_dims=96, depth=4, patch_size=7, kernel_size=9),
    ),
    'RepLKNet': classifier(
        'RepLKNet',
        256,
        out_indices=(3,),
        arch=dict(
            large_kernel_sizes=[9, 7, 5, 3],
            layers=[1, 1, 2, 1],
            channels=[32, 64, 128, 256],
            small_kernel=3,
            dw_ratio=1,
        ),
    ),
    'VAN': classifier('VAN', 256, arch='tiny'),
    'EdgeNeXt': classifier('EdgeNeXt', 168, neck='', arch='xxsmall'),
    'HorNet': classifier('HorNet', 512, neck='', arch='tiny'),
    'MobileViT': classifier('MobileViT', 320, arch='xx_small'),
    'EfficientFormer': dict(
        classifier('EfficientFormer', 448, arch='l1'),
        neck=dict(type='mmpretrain.GlobalAveragePooling', dim=1),
    ),
    'LeViT': classifier('LeViT', 384, arch='128s'),
}

#: Families that need another image.
SHAPES = {
    'AlexNet': (3, 224, 224),
    'LeNet5': (1, 32, 32),
    'InceptionV3': (3, 75, 75),
    'EfficientFormer': (3, 224, 224),
    'LeViT': (3, 224, 224),
}

#: Families that can't be pruned, each with what the error says.
NOT_PRUNABLE: dict[str, str] = {}


def input_shape(family: str):
    """Channels, height and width of the family's images."""
    return SHAPES.get(family, SMALL)
