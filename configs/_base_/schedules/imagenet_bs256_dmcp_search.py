_base_ = './dmcp_search.py'

# The authors' search. Their rates (weights 0.5 -> 0.08, alphas 0.5 -> 0.1)
# belong to 1,024 images an iteration; here it is 8 x 32 = 256: a quarter of
# the rate in four times as many iterations.
optim_wrapper = dict(
    architecture=dict(optimizer=dict(lr=0.125, weight_decay=1e-4)),
    mutator=dict(optimizer=dict(lr=0.125)),
)
param_scheduler = dict(
    architecture=[
        dict(type='CosineAnnealingLR', eta_min_ratio=0.16, convert_to_iter_based=True)
    ]
)
train_cfg = dict(val_interval=1)
auto_scale_lr = dict(base_batch_size=256)
