# As long as a training; the chains train in the second half.

optim_wrapper = dict(
    constructor='mmdmcp.SearchOptimWrapperConstructor',
    architecture=dict(
        type='OptimWrapper',
        optimizer=dict(type='SGD', lr=0.01, momentum=0.9, weight_decay=0.0005),
    ),
    mutator=dict(
        type='OptimWrapper',
        optimizer=dict(type='SGD', lr=0.01, momentum=0.9, nesterov=True),
    ),
)
param_scheduler = dict(
    architecture=[
        dict(type='PolyLR', eta_min=1e-3, power=0.9, convert_to_iter_based=True)
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
train_cfg = dict(type='mmdmcp.ResumableTrainLoop', max_epochs=80, val_interval=20)
test_cfg = dict(type='TestLoop')
auto_scale_lr = dict(base_batch_size=8)
