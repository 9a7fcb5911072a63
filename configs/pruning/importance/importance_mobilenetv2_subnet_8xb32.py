# Tune the small net further, with a small rate.
_base_ = [
    '../../_base_/default_runtime.py',
    'mmpretrain::_base_/models/mobilenet_v2_1x.py',
    'mmpretrain::_base_/datasets/imagenet_bs32.py',
    '../../_base_/schedules/imagenet_bs256_dmcp_retrain.py',
]

folder = 'work_dirs/importance_mobilenetv2_8xb32/'
model = dict(
    _delete_=True,
    type='mmdmcp.PrunedModel',
    cfg=_base_.model,
    subnet=folder + 'IMPORTANCE_SUBNET_MOBILENETV2.yaml',
    init_cfg=dict(
        type='Pretrained', checkpoint=folder + 'IMPORTANCE_SUBNET_MOBILENETV2.pth'
    ),
)

optim_wrapper = dict(optimizer=dict(lr=0.01))
param_scheduler = [dict(type='CosineAnnealingLR', convert_to_iter_based=True)]
train_cfg = dict(max_epochs=30)
