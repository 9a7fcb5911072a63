# What every training with gates shares; see docs/gate.md for the options and
# for the gates' rate. A schedule adds the length and both rates, a config a
# runtime, a data set, and `model`, `load_from` and `custom_hooks` naming the
# network.
optim_wrapper = dict(
    constructor='mmdmcp.SearchOptimWrapperConstructor',
    architecture=dict(
        type='OptimWrapper',
        optimizer=dict(
            type='SGD', lr=0.05, momentum=0.9, weight_decay=5e-4, nesterov=True
        ),
        paramwise_cfg=dict(norm_decay_mult=0.0, bias_decay_mult=0.0),
    ),
    mutator=dict(type='OptimWrapper', optimizer=dict(type='Adam', lr=5e-4)),
)
param_scheduler = dict(
    architecture=[dict(type='CosineAnnealingLR', convert_to_iter_based=True)],
    mutator=[],
)
train_cfg = dict(type='mmdmcp.ResumableTrainLoop')
val_cfg = dict()
test_cfg = dict()

# One gradient synchronisation an iteration, gates' gradients averaged.
model_wrapper_cfg = dict(type='mmdmcp.SearchDistributed')
