_base_ = [
    '../../_base_/default_runtime.py',
    '../../_base_/dmcp_supernet.py',
    'mmpretrain::_base_/models/resnet50.py',
    '../../_base_/datasets/imagenet_bs32_search.py',
    '../../_base_/schedules/imagenet_bs256_dmcp_search.py',
]

model = dict(
    _delete_=True,
    type='mmdmcp.DMCP',
    architecture=_base_.model,
    target='2.2G',
    mutator=dict(init='fitted'),
    on_budget=True,
)
custom_hooks = [dict(type='mmdmcp.DMCPSearchHook', name='RESNET50')]
