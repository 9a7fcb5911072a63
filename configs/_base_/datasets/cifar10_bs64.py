_base_ = 'mmpretrain::_base_/datasets/cifar10_bs16.py'

# data/cifar10 holds the folder cifar-10-batches-py. Where it is missing a run
# says so rather than fetch it; download=True lets mmpretrain do that.
train_dataloader = dict(
    batch_size=64, dataset=dict(data_root='data/cifar10/', download=False)
)
val_dataloader = dict(batch_size=250, dataset=dict(download=False))
test_dataloader = dict(batch_size=250, dataset=dict(download=False))
