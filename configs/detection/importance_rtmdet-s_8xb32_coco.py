_base_ = ['mmdet::rtmdet/rtmdet_s_8xb32-300e_coco.py', '../_base_/host_importance.py']

model = dict(
    _delete_=True,
    type='mmdmcp.ImportancePruning',
    architecture=dict(
        _base_.model, backbone=dict(_base_.model.backbone, init_cfg=None)
    ),
    target='50%',
    input_shape=(3, 640, 640),
)
custom_hooks = [
    _base_.custom_hooks[0],
    dict(_base_.custom_hooks[1], switch_epoch=30),
    dict(type='mmdmcp.ImportanceHook', name='RTMDET_S'),
]
load_from = 'checkpoints/rtmdet_s_8xb32-300e_coco_20220905_161602-387a891e.pth'

# 36 epochs in place of 300, the last 6 of them without mosaic.
optim_wrapper = dict(optimizer=dict(lr=0.001))
param_scheduler = [
    _base_.param_scheduler[0],
    dict(
        type='CosineAnnealingLR',
        eta_min_ratio=0.05,
        by_epoch=True,
        convert_to_iter_based=True,
    ),
]
train_cfg = dict(
    type='mmdmcp.ResumableTrainLoop', max_epochs=36, dynamic_intervals=[(30, 1)]
)
