_base_ = ['mmdet::yolox/yolox_tiny_8xb8-300e_coco.py', '../_base_/host_importance.py']

model = dict(
    _delete_=True,
    type='mmdmcp.ImportancePruning',
    architecture=_base_.model,
    target='50%',
    input_shape=(3, 416, 416),
)
custom_hooks = [
    dict(_base_.custom_hooks[0], num_last_epochs=6),
    *_base_.custom_hooks[1:],
    dict(type='mmdmcp.ImportanceHook', name='YOLOX_TINY'),
]
load_from = 'checkpoints/yolox_tiny_8x8_300e_coco_20211124_171234-b4047906.pth'

# 36 epochs in place of 300, the last 6 of them without mosaic.
optim_wrapper = dict(optimizer=dict(lr=0.0025))
param_scheduler = dict(
    _delete_=True,
    type='CosineAnnealingLR',
    eta_min_ratio=0.05,
    by_epoch=True,
    convert_to_iter_based=True,
)
train_cfg = dict(type='mmdmcp.ResumableTrainLoop', max_epochs=36)
