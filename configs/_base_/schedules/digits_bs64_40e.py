# 680 iterations, some 20 s on two cores; full and pruned nets alike.

optim_wrapper = dict(
    optimizer=dict(type='SGD', lr=0.1, momentum=0.9, weight_decay=5e-4, nesterov=True)
)
param_scheduler = dict(type='CosineAnnealingLR', convert_to_iter_based=True)

train_cfg = dict(type='mmdmcp.ResumableTrainLoop', max_epochs=40, val_interval=10)
val_cfg = dict()
test_cfg = dict()
auto_scale_lr = dict(base_batch_size=64)
