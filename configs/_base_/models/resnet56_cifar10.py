_base_ = './resnet20_cifar10.py'

# 126 M FLOPs at 32x32, 0.86 M parameters.
model = dict(backbone=dict(depth=56))
