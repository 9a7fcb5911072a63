# mmseg's FCN on ResNet-18 for 11 classes, trained from random weights.
_base_ = 'mmseg::_base_/models/fcn_r50-d8.py'

model = dict(
    pretrained=None,
    data_preprocessor=dict(size=(160, 160), seg_pad_val=11),
    backbone=dict(depth=18),
    decode_head=dict(in_channels=512, channels=128, num_classes=11, ignore_index=11),
    auxiliary_head=dict(in_channels=256, channels=64, num_classes=11, ignore_index=11),
)
