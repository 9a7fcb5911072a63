_base_ = './resnet14_digits.py'

model = dict(
    _delete_=True,
    type='mmdmcp.PrunedModel',
    cfg=_base_.model,
    subnet='work_dirs/dmcp_resnet14_supernet_digits/DMCP_SUBNET_DIGITS.yaml',
)
