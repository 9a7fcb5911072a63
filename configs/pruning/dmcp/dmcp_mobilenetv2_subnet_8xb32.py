_base_ = [
    '../../_base_/default_runtime.py',
    '../../_base_/models/mobilenet_v2_1.5x_label_smooth.py',
    'mmpretrain::_base_/datasets/imagenet_bs32.py',
    '../../_base_/schedules/imagenet_bs256_dmcp_retrain.py',
]

model = dict(
    _delete_=True,
    type='mmdmcp.PrunedModel',
    cfg=_base_.model,
    subnet='work_dirs/dmcp_mobilenetv2_supernet_8xb32/DMCP_SUBNET_MOBILENETV2.yaml',
)

# The authors train the small nets longer, with less weight decay.
optim_wrapper = dict(optimizer=dict(weight_decay=4e-5))
param_scheduler = [
    dict(type='LinearLR', start_factor=0.25, end=1, convert_to_iter_based=True),
    dict(type='CosineAnnealingLR', begin=1, convert_to_iter_based=True),
]
train_cfg = dict(max_epochs=250)
