_base_ = [
    'mmseg::bisenetv2/bisenetv2_fcn_4xb4-160k_cityscapes-1024x1024.py',
    '../_base_/host_importance.py',
]

model = dict(
    _delete_=True,
    type='mmdmcp.ImportancePruning',
    architecture=dict(_base_.model, pretrained=None),
    target='50%',
    input_shape=(3, 1024, 1024),
)
custom_hooks = [dict(type='mmdmcp.ImportanceHook', name='BISENETV2')]
load_from = 'checkpoints/bisenetv2_fcn_4x4_1024x1024_160k_cityscapes_20210902_015551-bcf10f09.pth'

# 40,000 iterations, from half the stock rate.
optim_wrapper = dict(optimizer=dict(lr=0.025))
param_scheduler = [dict(_base_.param_scheduler[-1], begin=0, end=40000)]
train_cfg = dict(max_iters=40000, val_interval=4000)
default_hooks = dict(checkpoint=dict(interval=4000))
