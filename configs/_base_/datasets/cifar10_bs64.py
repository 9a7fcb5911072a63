_base_ = 'mmpretrain::_base_/datasets/cifar10_bs16.py'

train_dataloader = dict(batch_size=64, dataset=dict(data_root='data/cifar10/'))
val_dataloader = dict(batch_size=250)
test_dataloader = dict(batch_size=250)
