# Tune the small net further: half the usual epochs at a tenth of the rate.
_base_ = '../dmcp/resnet20_2xb64_cifar10.py'

folder = 'work_dirs/importance_resnet20_2xb64_cifar10/'
model = dict(
    _delete_=True,
    type='mmdmcp.PrunedModel',
    cfg=_base_.model,
    subnet=folder + 'IMPORTANCE_SUBNET_RESNET20_CIFAR10.yaml',
    init_cfg=dict(
        type='Pretrained', checkpoint=folder + 'IMPORTANCE_SUBNET_RESNET20_CIFAR10.pth'
    ),
)

optim_wrapper = dict(optimizer=dict(lr=0.01))
train_cfg = dict(max_epochs=100)
