_base_ = [
    'mmseg::ddrnet/ddrnet_23-slim_in1k-pre_2xb6-120k_cityscapes-1024x1024.py',
    '../_base_/host_importance.py',
]

model = dict(
    _delete_=True,
    type='mmdmcp.ImportancePruning',
    architecture=dict(
        _base_.model, backbone=dict(_base_.model.backbone, init_cfg=None)
    ),
    target='50%',
    input_shape=(3, 1024, 1024),
)
custom_hooks = [dict(type='mmdmcp.ImportanceHook', name='DDRNET23_SLIM')]
load_from = 'checkpoints/ddrnet_23-slim_in1k-pre_2xb6-120k_cityscapes-1024x1024_20230426_145312-6a5e5174.pth'

# 40,000 iterations, from half the stock rate.
optim_wrapper = dict(optimizer=dict(lr=0.005))
param_scheduler = [dict(_base_.param_scheduler[-1], begin=0, end=40000)]
train_cfg = dict(max_iters=40000, val_interval=4000)
default_hooks = dict(checkpoint=dict(interval=4000))
