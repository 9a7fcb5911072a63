_base_ = './resnet56_2xb64_cifar10.py'

model = dict(
    _delete_=True,
    type='mmdmcp.PrunedModel',
    cfg=_base_.model,
    subnet='work_dirs/dmcp_resnet56_supernet_2xb64_cifar10/'
    'DMCP_SUBNET_RESNET56_CIFAR10.yaml',
)
