_base_ = './gate.py'

# 680 iterations, as many as the training of the full net.
optim_wrapper = dict(mutator=dict(optimizer=dict(lr=0.01)))
train_cfg = dict(max_epochs=40, val_interval=10)
auto_scale_lr = dict(base_batch_size=64)
