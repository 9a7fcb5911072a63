_base_ = './cifar10_bs64.py'

# The search must not choose by test images: every tenth training image is
# for validation, 45,000 train and 5,000 rank.
train_dataloader = dict(
    dataset=dict(type='mmdmcp.HoldOut', of='CIFAR10', part='train', every=10)
)
val_dataloader = dict(
    dataset=dict(
        type='mmdmcp.HoldOut', of='CIFAR10', part='val', every=10, split='train'
    )
)
