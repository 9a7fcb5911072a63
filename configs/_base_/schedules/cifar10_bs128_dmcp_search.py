# 40 epochs of 45,000 images: 7,030 iterations for the weights alone and as
# many for both.
max_epochs = 40
arch_begin = 20

optim_wrapper = dict(
    constructor='mmdmcp.SearchOptimWrapperConstructor',
    architecture=dict(
        type='OptimWrapper',
        optimizer=dict(
            type='SGD', lr=0.1, momentum=0.9, weight_decay=5e-4,
            nesterov=True),
        paramwise_cfg=dict(norm_decay_mult=0., bias_decay_mult=0.)),
    mutator=dict(
        type='OptimWrapper',
        optimizer=dict(type='SGD', lr=0.5, momentum=0.9, nesterov=True)))
param_scheduler = dict(
    architecture=[
        dict(
            type='CosineAnnealingLR',
            eta_min_ratio=0.1,
            end=max_epochs,
            convert_to_iter_based=True)
    ],
    mutator=[
        dict(
            type='CosineAnnealingLR',
            eta_min_ratio=0.2,
            begin=arch_begin,
            end=max_epochs,
            convert_to_iter_based=True)
    ])

train_cfg = dict(
    type='mmdmcp.ResumableTrainLoop',
    max_epochs=max_epochs,
    val_interval=5)
test_cfg = dict()
auto_scale_lr = dict(base_batch_size=128)
