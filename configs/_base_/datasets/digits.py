# 1,797 real 8x8 images that come with scikit-learn; nothing is downloaded.
# A search ranks its candidates on 'val'; only tools/test.py reads 'test'.
data_preprocessor = dict(num_classes=10, mean=[73.3], std=[90.3])

train_pipeline = [
    dict(type='RandomCrop', crop_size=8, padding=1),
    dict(type='PackInputs'),
]
test_pipeline = [dict(type='PackInputs')]

# A sample costs less than handing it from one process to another.
train_dataloader = dict(
    batch_size=64,
    num_workers=0,
    dataset=dict(type='mmdmcp.Digits', split='train', pipeline=train_pipeline),
    sampler=dict(type='DefaultSampler', shuffle=True),
)
val_dataloader = dict(
    batch_size=128,
    num_workers=0,
    dataset=dict(type='mmdmcp.Digits', split='val', pipeline=test_pipeline),
    sampler=dict(type='DefaultSampler', shuffle=False),
)
test_dataloader = dict(
    batch_size=128,
    num_workers=0,
    dataset=dict(type='mmdmcp.Digits', split='test', pipeline=test_pipeline),
    sampler=dict(type='DefaultSampler', shuffle=False),
)

val_evaluator = dict(type='Accuracy', topk=(1,))
test_evaluator = val_evaluator
