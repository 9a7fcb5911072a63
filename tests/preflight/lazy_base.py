"""Data of a search, in MMEngine's pure-Python style."""

from mmengine.dataset import DefaultSampler
from mmpretrain.datasets.transforms import PackInputs, RandomCrop
from mmpretrain.evaluation import Accuracy

from mmdmcp.datasets import Digits
from mmdmcp.methods import SearchValLoop

data_preprocessor = dict(num_classes=10, mean=[73.3], std=[90.3])
train_dataloader = dict(
    batch_size=128,
    num_workers=0,
    dataset=dict(
        type=Digits,
        split='train',
        pipeline=[dict(type=RandomCrop, crop_size=8, padding=1), dict(type=PackInputs)],
    ),
    sampler=dict(type=DefaultSampler, shuffle=True),
)
val_dataloader = dict(
    batch_size=128,
    num_workers=0,
    dataset=dict(type=Digits, split='val', pipeline=[dict(type=PackInputs)]),
    sampler=dict(type=DefaultSampler, shuffle=False),
)
val_evaluator = dict(type=Accuracy, topk=(1,))
val_cfg = dict(type=SearchValLoop, nets=('max', 'expected'))
