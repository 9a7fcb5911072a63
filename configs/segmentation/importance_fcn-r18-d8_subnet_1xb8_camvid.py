_base_ = './importance_fcn-r18-d8_1xb8_camvid.py'

# The small network from the full one's weights, sliced, on the same schedule.
model = dict(
    _delete_=True,
    type='mmdmcp.PrunedModel',
    cfg=_base_.model.architecture,
    subnet='work_dirs/importance_fcn-r18-d8_1xb8_camvid/IMPORTANCE_SUBNET_FCN_R18_CAMVID.yaml',
    init_cfg=dict(type='Pretrained', checkpoint=_base_.load_from),
)
custom_hooks = _base_.custom_hooks[:-1]
load_from = model_wrapper_cfg = None
