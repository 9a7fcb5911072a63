_base_ = './dmcp_search.py'

# 45,000 images: 7,040 iterations for the weights alone and as many for both.
optim_wrapper = dict(mutator=dict(optimizer=dict(lr=0.005)))
train_cfg = dict(val_interval=5)
auto_scale_lr = dict(base_batch_size=128)
