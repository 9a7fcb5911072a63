_base_ = './importance_simplebaseline-r18_subnet_8xb64_coco.py'

# The same, and it learns from the full network.
model = dict(
    _delete_=True,
    type='mmdmcp.DistilledModel',
    student=_base_.model,
    teacher=_base_.model.cfg,
    teacher_checkpoint=_base_.model.init_cfg.checkpoint,
    losses=dict(
        pkd=dict(type='mmrazor.PKDLoss', loss_weight=6, module='backbone', adapt=True)
    ),
    input_shape=(3, 256, 192),
)
