_base_ = 'mmpretrain::_base_/datasets/imagenet_bs32.py'

# The search must not choose by the images that results are reported on:
# every 25th training image, 51,246 in all, is for validation.
train_dataloader = dict(
    dataset=dict(type='mmdmcp.HoldOut', of='ImageNet', part='train', every=25)
)
val_dataloader = dict(
    dataset=dict(
        type='mmdmcp.HoldOut', of='ImageNet', part='val', every=25, split='train'
    )
)
