_base_ = [
    '../../_base_/default_runtime.py',
    '../../_base_/models/resnet20_cifar10.py',
    '../../_base_/datasets/cifar10_bs64.py',
    '../../_base_/schedules/cifar10_bs128_200e.py',
]
