_base_ = './resnet20_2xb64_cifar10.py'

model = dict(
    _delete_=True,
    type='mmdmcp.PrunedModel',
    cfg=_base_.model,
    subnet='work_dirs/dmcp_resnet20_supernet_2xb64_cifar10/'
    'DMCP_SUBNET_RESNET20_CIFAR10.yaml',
)
