_base_ = 'mmdet::rtmdet/rtmdet_tiny_8xb32-300e_coco.py'

# The stock detector on 205 photos of blood cells, at half its image size and
# from random weights: 24 epochs, the last 6 of them without mosaic.
data_root = 'data/bccd/'
size = (320, 320)
meta = dict(classes=('RBC', 'WBC', 'Platelets'))
model = dict(backbone=dict(init_cfg=None), bbox_head=dict(num_classes=3))

grey = dict(img=(114, 114, 114))
crop_flip_pad = [
    dict(type='RandomCrop', crop_size=size),
    dict(type='YOLOXHSVRandomAug'),
    dict(type='RandomFlip', prob=0.5),
    dict(type='Pad', size=size, pad_val=grey),
]
image = [dict(type='LoadImageFromFile'), dict(type='LoadAnnotations', with_bbox=True)]
ranges = dict(type='RandomResize', ratio_range=(0.5, 2.0), keep_ratio=True)
train_pipeline = [
    *image,
    dict(type='CachedMosaic', img_scale=size, pad_val=114.0, max_cached_images=20),
    dict(ranges, scale=(640, 640)),
    *crop_flip_pad,
    dict(type='PackDetInputs'),
]
train_pipeline_stage2 = [
    *image,
    dict(ranges, scale=size),
    *crop_flip_pad,
    dict(type='PackDetInputs'),
]
test_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='Resize', scale=size, keep_ratio=True),
    dict(type='Pad', size=size, pad_val=grey),
    dict(type='LoadAnnotations', with_bbox=True),
    dict(
        type='PackDetInputs',
        meta_keys=('img_id', 'img_path', 'ori_shape', 'img_shape', 'scale_factor'),
    ),
]

cells = dict(data_root=data_root, metainfo=meta, data_prefix=dict(img='images/'))
train_dataloader = dict(
    batch_size=8,
    num_workers=2,
    dataset=dict(**cells, ann_file='annotations/train.json', pipeline=train_pipeline),
)
val_dataloader = dict(
    batch_size=8,
    num_workers=2,
    dataset=dict(**cells, ann_file='annotations/val.json', pipeline=test_pipeline),
)
test_dataloader = dict(
    batch_size=8,
    num_workers=2,
    dataset=dict(**cells, ann_file='annotations/test.json', pipeline=test_pipeline),
)
val_evaluator = dict(ann_file=data_root + 'annotations/val.json')
test_evaluator = dict(ann_file=data_root + 'annotations/test.json')

optim_wrapper = dict(optimizer=dict(lr=0.001))
param_scheduler = [
    dict(type='LinearLR', start_factor=1e-3, by_epoch=False, end=100),
    dict(
        type='CosineAnnealingLR',
        eta_min_ratio=0.05,
        begin=12,
        convert_to_iter_based=True,
    ),
]
train_cfg = dict(
    type='mmdmcp.ResumableTrainLoop',
    max_epochs=24,
    val_interval=12,
    dynamic_intervals=None,
)
default_hooks = dict(checkpoint=dict(interval=12), logger=dict(interval=20))
custom_hooks = [
    _base_.custom_hooks[0],  # the moving average of the weights
    dict(
        _base_.custom_hooks[1], switch_epoch=18, switch_pipeline=train_pipeline_stage2
    ),
]
randomness = dict(seed=0)
