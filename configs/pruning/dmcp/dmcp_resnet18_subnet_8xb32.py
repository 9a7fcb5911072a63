_base_ = [
    '../../_base_/default_runtime.py',
    '../../_base_/models/resnet18_label_smooth.py',
    'mmpretrain::_base_/datasets/imagenet_bs32.py',
    '../../_base_/schedules/imagenet_bs256_dmcp_retrain.py',
]

model = dict(
    _delete_=True,
    type='mmdmcp.PrunedModel',
    cfg=_base_.model,
    subnet='work_dirs/dmcp_resnet18_supernet_8xb32/DMCP_SUBNET_RESNET18.yaml',
)
