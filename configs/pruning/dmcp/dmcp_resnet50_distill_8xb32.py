_base_ = './dmcp_resnet50_subnet_8xb32.py'

# The teacher is the full network; name its checkpoint.
model = dict(
    _delete_=True,
    type='mmdmcp.DistilledModel',
    student=_base_.model,
    teacher=_base_.model.cfg,
    teacher_checkpoint='resnet50.pth',
    losses=dict(dist=dict(type='mmrazor.DISTLoss', module='head.fc')),
)
