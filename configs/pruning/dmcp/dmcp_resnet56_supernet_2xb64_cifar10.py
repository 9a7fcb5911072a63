_base_ = [
    '../../_base_/default_runtime.py',
    '../../_base_/dmcp_supernet.py',
    '../../_base_/models/resnet56_cifar10.py',
    '../../_base_/datasets/cifar10_bs64_search.py',
    '../../_base_/schedules/cifar10_bs128_dmcp_search.py',
]

model = dict(
    _delete_=True,
    type='mmdmcp.DMCP',
    architecture=_base_.model,
    target='50%',
    input_shape=(3, 32, 32),
    mutator=dict(init='fitted'),
    on_budget=True,
)
custom_hooks = [dict(type='mmdmcp.DMCPSearchHook', name='RESNET56_CIFAR10')]
