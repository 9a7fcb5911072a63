# What every DMCP search's schedule shares: 40 epochs, the chains train in the
# second half of them. Another length is train_cfg.max_epochs. The chains' rate
# is for some hundred steps of theirs; more of them need less (docs/dmcp.md).
optim_wrapper = dict(
    constructor='mmdmcp.SearchOptimWrapperConstructor',
    architecture=dict(
        type='OptimWrapper',
        optimizer=dict(
            type='SGD', lr=0.1, momentum=0.9, weight_decay=5e-4, nesterov=True
        ),
        paramwise_cfg=dict(norm_decay_mult=0.0, bias_decay_mult=0.0),
    ),
    mutator=dict(
        type='OptimWrapper',
        optimizer=dict(type='SGD', lr=0.1, momentum=0.9, nesterov=True),
    ),
)
param_scheduler = dict(
    architecture=[
        dict(type='CosineAnnealingLR', eta_min_ratio=0.1, convert_to_iter_based=True)
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
train_cfg = dict(type='mmdmcp.ResumableTrainLoop', max_epochs=40)
test_cfg = dict()
