_base_ = [
    '../../_base_/default_runtime.py',
    'mmpretrain::_base_/models/mobilenet_v2_1x.py',
    'mmpretrain::_base_/datasets/imagenet_bs32.py',
    '../../_base_/schedules/imagenet_bs256_importance.py',
]

model = dict(
    _delete_=True,
    type='mmdmcp.ImportancePruning',
    architecture=_base_.model,
    target='50%',
)
custom_hooks = [dict(type='mmdmcp.ImportanceHook', name='MOBILENETV2')]

# From mmpretrain's model zoo; nothing is downloaded.
load_from = 'checkpoints/mobilenet_v2_batch256_imagenet_20200708-3b2dc3af.pth'
