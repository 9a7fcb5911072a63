_base_ = './importance_simplebaseline-r18_8xb64_coco.py'

# The small network from the full one's weights, sliced, on the same schedule.
model = dict(
    _delete_=True,
    type='mmdmcp.PrunedModel',
    cfg=_base_.model.architecture,
    subnet='work_dirs/importance_simplebaseline-r18_8xb64_coco/IMPORTANCE_SUBNET_SIMPLEBASELINE_R18.yaml',
    init_cfg=dict(type='Pretrained', checkpoint=_base_.load_from),
)
custom_hooks = _base_.custom_hooks[:-1]
load_from = model_wrapper_cfg = None
