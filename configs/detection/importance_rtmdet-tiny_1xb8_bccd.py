_base_ = ['./rtmdet-tiny_1xb8_bccd.py', '../_base_/host_importance.py']

model = dict(
    _delete_=True,
    type='mmdmcp.ImportancePruning',
    architecture=_base_.model,
    target='50%',
    input_shape=(3, 320, 320),
)
custom_hooks = [
    *_base_.custom_hooks,
    dict(type='mmdmcp.ImportanceHook', name='RTMDET_TINY_BCCD'),
]
load_from = 'work_dirs/rtmdet-tiny_1xb8_bccd/epoch_24.pth'

# As many epochs as the full one had, from half its rate and without warm-up.
optim_wrapper = dict(optimizer=dict(lr=0.0005))
param_scheduler = dict(
    _delete_=True,
    type='CosineAnnealingLR',
    eta_min_ratio=0.05,
    convert_to_iter_based=True,
)
