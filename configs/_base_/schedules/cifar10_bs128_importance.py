_base_ = './importance.py'

# 39,100 iterations after the 200 epochs of the full net.
train_cfg = dict(max_epochs=100, val_interval=5)
auto_scale_lr = dict(base_batch_size=128)
