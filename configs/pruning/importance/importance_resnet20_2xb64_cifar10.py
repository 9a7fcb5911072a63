_base_ = [
    '../../_base_/default_runtime.py',
    '../../_base_/models/resnet20_cifar10.py',
    '../../_base_/datasets/cifar10_bs64.py',
    '../../_base_/schedules/cifar10_bs128_importance.py',
]

model = dict(
    _delete_=True,
    type='mmdmcp.ImportancePruning',
    architecture=_base_.model,
    target='50%',
    input_shape=(3, 32, 32),
)
custom_hooks = [dict(type='mmdmcp.ImportanceHook', name='RESNET20_CIFAR10')]

# Trained by ../dmcp/resnet20_2xb64_cifar10.py
load_from = 'work_dirs/resnet20_2xb64_cifar10/epoch_200.pth'
