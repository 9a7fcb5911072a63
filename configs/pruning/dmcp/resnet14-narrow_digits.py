_base_ = './resnet14_digits.py'

# Every stage 0.71 times as wide: 50.1 % of the FLOPs.
model = dict(backbone=dict(base_channels=(11, 23, 46)), head=dict(in_channels=46))
