_base_ = [
    'mmseg::segformer/segformer_mit-b0_8xb2-160k_ade20k-512x512.py',
    '../_base_/host_importance.py',
]

model = dict(
    _delete_=True,
    type='mmdmcp.ImportancePruning',
    architecture=dict(
        _base_.model, backbone=dict(_base_.model.backbone, init_cfg=None)
    ),
    target='50%',
    input_shape=(3, 512, 512),
)
custom_hooks = [dict(type='mmdmcp.ImportanceHook', name='SEGFORMER_B0')]
load_from = (
    'checkpoints/segformer_mit-b0_512x512_160k_ade20k_20210726_101530-8ffa8fda.pth'
)

# 40,000 iterations, from half the stock rate.
optim_wrapper = dict(optimizer=dict(lr=3e-05))
param_scheduler = [dict(_base_.param_scheduler[-1], begin=0, end=40000)]
train_cfg = dict(max_iters=40000, val_interval=4000)
default_hooks = dict(checkpoint=dict(interval=4000))
