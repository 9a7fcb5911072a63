_base_ = './importance_rtmdet-tiny_subnet_1xb8_bccd.py'

# The same, and it learns from the full network. At mmrazor's usual weight of 6
# this loss drowns the detector's own in a tuning as short (docs/downstream.md).
model = dict(
    _delete_=True,
    type='mmdmcp.DistilledModel',
    student=_base_.model,
    teacher=_base_.model.cfg,
    teacher_checkpoint=_base_.model.init_cfg.checkpoint,
    losses=dict(
        pkd=dict(type='mmrazor.PKDLoss', loss_weight=1, module='neck', adapt=True)
    ),
)
