_base_ = './resnet20_2xb64_cifar10.py'

# Every stage 0.71 times as wide: 50.2 % of the FLOPs.
model = dict(backbone=dict(base_channels=(11, 23, 46)), head=dict(in_channels=46))
