_base_ = [
    'mmseg::deeplabv3plus/deeplabv3plus_r50-d8_4xb2-80k_cityscapes-512x1024.py',
    '../_base_/host_importance.py',
]

model = dict(
    _delete_=True,
    type='mmdmcp.ImportancePruning',
    architecture=dict(_base_.model, pretrained=None),
    target='50%',
    input_shape=(3, 512, 1024),
)
custom_hooks = [dict(type='mmdmcp.ImportanceHook', name='DEEPLABV3PLUS_R50')]
load_from = 'checkpoints/deeplabv3plus_r50-d8_512x1024_80k_cityscapes_20200606_114049-f9fb496d.pth'

# 40,000 iterations, from half the stock rate.
optim_wrapper = dict(optimizer=dict(lr=0.005))
param_scheduler = [dict(_base_.param_scheduler[-1], begin=0, end=40000)]
train_cfg = dict(max_iters=40000, val_interval=4000)
default_hooks = dict(checkpoint=dict(interval=4000))
