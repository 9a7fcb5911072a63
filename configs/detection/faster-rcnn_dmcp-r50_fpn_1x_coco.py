_base_ = 'mmdet::faster_rcnn/faster-rcnn_r50_fpn_1x_coco.py'

# The backbone pruned, the neck fitted to it. Its weights come from
# `dmcp_resnet50_subnet_8xb32.py`; without them, both init_cfg=None: this
# one and the stock one, in cfg.
model = dict(
    type='mmdmcp.FittedModel',
    host=_base_.model.type,
    backbone=dict(
        _delete_=True,
        type='mmdmcp.PrunedBackbone',
        cfg=_base_.model.backbone,
        subnet='pruning/dmcp/DMCP_SUBNET_IMAGENET.yaml',
        init_cfg=dict(
            type='Pretrained',
            checkpoint='work_dirs/dmcp_resnet50_subnet_8xb32/epoch_100.pth',
        ),
    ),
)
