_base_ = 'mmpretrain::_base_/models/mobilenet_v2_1x.py'

# 1.5 times as wide as the standard net: the authors search this one, so that
# a layer may end up wider than in the standard net where that pays.
model = dict(
    backbone=dict(widen_factor=1.5),
    head=dict(
        in_channels=1920, loss=dict(type='LabelSmoothLoss', label_smooth_val=0.1)
    ),
)
