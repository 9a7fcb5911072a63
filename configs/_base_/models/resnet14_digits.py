# ResNet-14 for 8x8 greyscale images: 1.65 M FLOPs.
model = dict(
    type='ImageClassifier',
    backbone=dict(type='mmdmcp.ResNetCifar', depth=14, in_channels=1),
    neck=dict(type='GlobalAveragePooling'),
    head=dict(
        type='LinearClsHead',
        num_classes=10,
        in_channels=64,
        loss=dict(type='CrossEntropyLoss', loss_weight=1.0),
    ),
)
