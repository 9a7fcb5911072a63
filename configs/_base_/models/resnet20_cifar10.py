# 40.8 M FLOPs at 32x32, 0.27 M parameters.
model = dict(
    type='ImageClassifier',
    backbone=dict(type='mmdmcp.ResNetCifar', depth=20),
    neck=dict(type='GlobalAveragePooling'),
    head=dict(
        type='LinearClsHead',
        num_classes=10,
        in_channels=64,
        loss=dict(type='CrossEntropyLoss', loss_weight=1.0),
    ),
)
