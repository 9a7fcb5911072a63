_base_ = './importance_ddrnet23-slim_2xb6_cityscapes.py'

# The small network from the full one's weights, sliced, on the same schedule.
model = dict(
    _delete_=True,
    type='mmdmcp.PrunedModel',
    cfg=_base_.model.architecture,
    subnet='work_dirs/importance_ddrnet23-slim_2xb6_cityscapes/IMPORTANCE_SUBNET_DDRNET23_SLIM.yaml',
    init_cfg=dict(type='Pretrained', checkpoint=_base_.load_from),
)
custom_hooks = _base_.custom_hooks[:-1]
load_from = model_wrapper_cfg = None
