_base_ = './dmcp_search.py'

# 680 iterations, the second half of them with the architecture.
optim_wrapper = dict(mutator=dict(optimizer=dict(lr=5.0)))
train_cfg = dict(val_interval=10)
auto_scale_lr = dict(base_batch_size=64)
