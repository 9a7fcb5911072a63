# 80 epochs of 46 iterations, mmseg's rates.

optim_wrapper = dict(
    type='OptimWrapper',
    optimizer=dict(type='SGD', lr=0.01, momentum=0.9, weight_decay=0.0005),
)
param_scheduler = [
    dict(type='PolyLR', eta_min=1e-4, power=0.9, convert_to_iter_based=True)
]
train_cfg = dict(type='mmdmcp.ResumableTrainLoop', max_epochs=80, val_interval=20)
val_cfg = dict(type='ValLoop')
test_cfg = dict(type='TestLoop')
auto_scale_lr = dict(base_batch_size=8)
