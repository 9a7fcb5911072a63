_base_ = 'mmseg::fcn/fcn_r50-d8_4xb4-80k_ade20k-512x512.py'

# The backbone pruned, the heads fitted to it. The stock config has ResNetV1c,
# whose stem is three convolutions; the network that was searched is the plain
# ResNet. Its weights come from `dmcp_resnet50_subnet_8xb32.py`.
model = dict(
    type='mmdmcp.FittedModel',
    host=_base_.model.type,
    pretrained=None,
    backbone=dict(
        _delete_=True,
        type='mmdmcp.PrunedBackbone',
        cfg=dict(
            type='ResNet',
            depth=50,
            num_stages=4,
            out_indices=(0, 1, 2, 3),
            dilations=(1, 1, 2, 4),
            strides=(1, 2, 1, 1),
            norm_cfg=_base_.model.backbone.norm_cfg,
            norm_eval=False,
            style='pytorch',
            contract_dilation=True,
        ),
        subnet='pruning/dmcp/DMCP_SUBNET_IMAGENET.yaml',
        init_cfg=dict(
            type='Pretrained',
            checkpoint='work_dirs/dmcp_resnet50_subnet_8xb32/epoch_100.pth',
        ),
    ),
)
