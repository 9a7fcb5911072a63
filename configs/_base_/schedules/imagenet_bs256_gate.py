# 30 epochs, a third of a training from scratch. The gates' rate:
# see docs/gate.md.
max_epochs = 30

optim_wrapper = dict(
    constructor='mmdmcp.SearchOptimWrapperConstructor',
    architecture=dict(
        type='OptimWrapper',
        optimizer=dict(
            type='SGD',
            lr=0.02,
            momentum=0.9,
            weight_decay=1e-4,
            nesterov=True),
        paramwise_cfg=dict(norm_decay_mult=0., bias_decay_mult=0.)),
    mutator=dict(type='OptimWrapper', optimizer=dict(type='Adam', lr=1e-4)))
param_scheduler = dict(
    architecture=[
        dict(
            type='CosineAnnealingLR',
            end=max_epochs,
            convert_to_iter_based=True)
    ],
    mutator=[])

train_cfg = dict(
    type='mmdmcp.ResumableTrainLoop', max_epochs=max_epochs, val_interval=1)
val_cfg = dict()
test_cfg = dict()
auto_scale_lr = dict(base_batch_size=256)
