_base_ = './importance_fcn-r18-d8_subnet_1xb8_camvid.py'

# The same, and it learns from the full network.
model = dict(
    _delete_=True,
    type='mmdmcp.DistilledModel',
    student=_base_.model,
    teacher=_base_.model.cfg,
    teacher_checkpoint=_base_.model.init_cfg.checkpoint,
    losses=dict(
        cwd=dict(
            type='mmrazor.ChannelWiseDivergence',
            tau=1,
            loss_weight=5,
            module='decode_head.conv_seg',
        )
    ),
)
