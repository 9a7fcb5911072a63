_base_ = [
    '../../_base_/default_runtime.py',
    'mmpretrain::_base_/models/resnet50.py',
    'mmpretrain::_base_/datasets/imagenet_bs32.py',
    '../../_base_/schedules/imagenet_bs256_importance.py',
]

model = dict(
    _delete_=True,
    type='mmdmcp.ImportancePruning',
    architecture=_base_.model,
    target='50%',
)
custom_hooks = [dict(type='mmdmcp.ImportanceHook', name='RESNET50')]

# From mmpretrain's model zoo; nothing is downloaded.
load_from = 'checkpoints/resnet50_8xb32_in1k_20210831-ea4938fc.pth'
