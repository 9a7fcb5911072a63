_base_ = './dmcp_search.py'

# 45,000 images: 7,040 iterations for the weights alone and as many for both. For
# chains that start near their end and keep to the target (docs/dmcp.md).
optim_wrapper = dict(mutator=dict(optimizer=dict(lr=0.001)))
train_cfg = dict(val_interval=5)
auto_scale_lr = dict(base_batch_size=128)
