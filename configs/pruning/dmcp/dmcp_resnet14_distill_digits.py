_base_ = './dmcp_resnet14_subnet_digits.py'

# The teacher is the full network, trained by resnet14_digits.py.
model = dict(
    _delete_=True,
    type='mmdmcp.DistilledModel',
    student=_base_.model,
    teacher=_base_.model.cfg,
    teacher_checkpoint='work_dirs/resnet14_digits/epoch_40.pth',
    losses=dict(kd=dict(type='mmrazor.KLDivergence', tau=2, module='head.fc')),
)
