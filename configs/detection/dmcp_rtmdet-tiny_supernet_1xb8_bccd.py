_base_ = './rtmdet-tiny_1xb8_bccd.py'

# A search that starts from the trained detector: every network learns from the
# boxes, and the chains train in the second half.
model = dict(
    _delete_=True,
    type='mmdmcp.DMCP',
    architecture=_base_.model,
    target='50%',
    input_shape=(3, 320, 320),
    distillation=None,
    mutator=dict(step='sign'),
    on_budget=True,
)
custom_hooks = [
    _base_.custom_hooks[1],
    dict(
        type='mmdmcp.DMCPSearchHook', name='RTMDET_TINY_BCCD', rank_by='coco/bbox_mAP'
    ),
]
load_from = 'work_dirs/rtmdet-tiny_1xb8_bccd/epoch_24.pth'
model_wrapper_cfg = dict(type='mmdmcp.SearchDistributed')

optim_wrapper = dict(
    _delete_=True,
    constructor='mmdmcp.SearchOptimWrapperConstructor',
    architecture=dict(
        _base_.optim_wrapper, optimizer=dict(_base_.optim_wrapper.optimizer, lr=0.0005)
    ),
    mutator=dict(
        type='OptimWrapper',
        optimizer=dict(type='SGD', lr=1.0, momentum=0.9, nesterov=True),
    ),
)
param_scheduler = dict(
    _delete_=True,
    architecture=[
        dict(type='CosineAnnealingLR', eta_min_ratio=0.05, convert_to_iter_based=True)
    ],
    mutator=[
        dict(
            type='mmdmcp.SearchCosineLR',
            eta_min_ratio=0.2,
            begin=0.5,
            convert_to_iter_based=True,
        )
    ],
)
val_cfg = dict(type='mmdmcp.SearchValLoop', nets=('max', 'expected'))
