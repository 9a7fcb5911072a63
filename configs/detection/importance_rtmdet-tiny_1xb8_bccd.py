_base_ = ['./rtmdet-tiny_1xb8_bccd.py', '../_base_/host_importance.py']

model = dict(
    _delete_=True,
    type='mmdmcp.ImportancePruning',
    architecture=_base_.model,
    target='50%',
    input_shape=(3, 320, 320),
)
custom_hooks = [
    _base_.custom_hooks[0],
    dict(_base_.custom_hooks[1], switch_epoch=9),
    dict(type='mmdmcp.ImportanceHook', name='RTMDET_TINY_BCCD'),
]
load_from = 'work_dirs/rtmdet-tiny_1xb8_bccd/epoch_24.pth'

# 12 epochs in place of 24, the last 3 of them without mosaic, from half the
# rate and without warm-up.
optim_wrapper = dict(optimizer=dict(lr=0.0005))
param_scheduler = dict(
    _delete_=True,
    type='CosineAnnealingLR',
    eta_min_ratio=0.05,
    convert_to_iter_based=True,
)
train_cfg = dict(max_epochs=12, val_interval=6)
default_hooks = dict(checkpoint=dict(interval=6))
