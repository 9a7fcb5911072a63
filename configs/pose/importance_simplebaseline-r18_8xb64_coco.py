_base_ = [
    './td-hm_res18_8xb64-210e_coco-256x192.py',
    '../_base_/host_importance.py',
]

model = dict(
    _delete_=True,
    type='mmdmcp.ImportancePruning',
    architecture=dict(
        _base_.model, backbone=dict(_base_.model.backbone, init_cfg=None)
    ),
    target='50%',
    input_shape=(3, 256, 192),
)
custom_hooks = [
    *_base_.custom_hooks,
    dict(type='mmdmcp.ImportanceHook', name='SIMPLEBASELINE_R18'),
]
load_from = 'work_dirs/td-hm_res18_8xb64-210e_coco-256x192/epoch_210.pth'

# 60 epochs, from half the stock rate.
optim_wrapper = dict(optimizer=dict(lr=0.00025))
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
    _delete_=True,
    type='mmdmcp.ResumableTrainLoop',
    max_epochs=60,
    val_interval=10,
)
