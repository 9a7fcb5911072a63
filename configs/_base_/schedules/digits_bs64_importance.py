_base_ = './importance.py'

# 680 iterations, as many as the training of the full net.
train_cfg = dict(max_epochs=40, val_interval=10)
auto_scale_lr = dict(base_batch_size=64)
