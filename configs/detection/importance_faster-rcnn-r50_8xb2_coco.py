_base_ = [
    'mmdet::faster_rcnn/faster-rcnn_r50_fpn_1x_coco.py',
    '../_base_/host_importance.py',
]

model = dict(
    _delete_=True,
    type='mmdmcp.ImportancePruning',
    architecture=dict(
        _base_.model, backbone=dict(_base_.model.backbone, init_cfg=None)
    ),
    target='50%',
    input_shape=(3, 800, 1344),
)
custom_hooks = [dict(type='mmdmcp.ImportanceHook', name='FASTER_RCNN_R50')]
load_from = 'checkpoints/faster_rcnn_r50_fpn_1x_coco_20200130-047c8118.pth'

# The stock schedule of 12 epochs, at half its rate.
optim_wrapper = dict(optimizer=dict(lr=0.01))
train_cfg = dict(type='mmdmcp.ResumableTrainLoop')
