# The authors' retraining from scratch, 100 epochs: 0.2 -> 0.8 in 1,250
# warm-up iterations of 1,024 images (one epoch), then cosine to 0. For
# 8 x 32 = 256 images: a quarter of the rate, the same epochs. Another length
# needs another param_scheduler.1.end, too.

optim_wrapper = dict(
    optimizer=dict(type='SGD', lr=0.2, momentum=0.9, weight_decay=1e-4, nesterov=True),
    paramwise_cfg=dict(norm_decay_mult=0.0, bias_decay_mult=0.0),
)
param_scheduler = [
    dict(type='LinearLR', start_factor=0.25, end=1, convert_to_iter_based=True),
    dict(type='CosineAnnealingLR', begin=1, convert_to_iter_based=True),
]

train_cfg = dict(type='mmdmcp.ResumableTrainLoop', max_epochs=100, val_interval=1)
val_cfg = dict()
test_cfg = dict()
auto_scale_lr = dict(base_batch_size=256)
