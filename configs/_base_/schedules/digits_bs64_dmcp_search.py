_base_ = './dmcp_search.py'

# 680 iterations, the second half of them with the architecture.
train_cfg = dict(val_interval=10)
auto_scale_lr = dict(base_batch_size=64)
