# Tune the small net further, at a tenth of the usual rate.
_base_ = '../dmcp/resnet14_digits.py'

folder = 'work_dirs/importance_resnet14_digits/'
model = dict(
    _delete_=True,
    type='mmdmcp.PrunedModel',
    cfg=_base_.model,
    subnet=folder + 'IMPORTANCE_SUBNET_DIGITS.yaml',
    init_cfg=dict(
        type='Pretrained', checkpoint=folder + 'IMPORTANCE_SUBNET_DIGITS.pth'
    ),
)

optim_wrapper = dict(optimizer=dict(lr=0.01))
