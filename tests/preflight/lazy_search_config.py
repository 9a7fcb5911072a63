"""The search of tests/faults/search_config.py in pure Python, with classes in
place of their names and with mixed precision."""

from mmengine.config import read_base
from mmengine.hooks import (
    CheckpointHook,
    DistSamplerSeedHook,
    IterTimerHook,
    LoggerHook,
    ParamSchedulerHook,
)
from mmengine.optim import AmpOptimWrapper, CosineAnnealingLR
from mmpretrain.models import (
    CrossEntropyLoss,
    GlobalAveragePooling,
    ImageClassifier,
    LinearClsHead,
)
from torch.optim import SGD

from mmdmcp.dmcp import DMCP
from mmdmcp.dmcp.hooks import DMCPSearchHook
from mmdmcp.engine import ResumableTrainLoop, SearchDistributed
from mmdmcp.methods import SearchOptimWrapperConstructor
from mmdmcp.methods.anneal import SearchCosineLR
from mmdmcp.models import ResNetCifar

with read_base():
    from .lazy_base import *  # noqa: F403

default_scope = None
randomness = dict(seed=0)
default_hooks = dict(
    timer=dict(type=IterTimerHook),
    logger=dict(type=LoggerHook, interval=3),
    param_scheduler=dict(type=ParamSchedulerHook),
    checkpoint=dict(type=CheckpointHook, interval=1, max_keep_ckpts=3),
    sampler_seed=dict(type=DistSamplerSeedHook),
)
custom_hooks = [
    dict(
        type=DMCPSearchHook,
        name='TINY',
        num_candidates=2,
        draws='direct',
        recalibration_batches=4,
    )
]
model = dict(
    type=DMCP,
    tolerance=0.05,
    architecture=dict(
        type=ImageClassifier,
        backbone=dict(type=ResNetCifar, depth=8, in_channels=1, base_channels=8),
        neck=dict(type=GlobalAveragePooling),
        head=dict(
            type=LinearClsHead,
            num_classes=10,
            in_channels=32,
            loss=dict(type=CrossEntropyLoss, loss_weight=1.0),
        ),
    ),
    target='50%',
    input_shape=(1, 8, 8),
    arch_start=0.5,
)
model_wrapper_cfg = dict(type=SearchDistributed)
optim_wrapper = dict(
    constructor=SearchOptimWrapperConstructor,
    architecture=dict(
        type=AmpOptimWrapper,
        optimizer=dict(
            type=SGD, lr=0.1, momentum=0.9, weight_decay=5e-4, nesterov=True
        ),
        paramwise_cfg=dict(norm_decay_mult=0.0, bias_decay_mult=0.0),
    ),
    mutator=dict(
        type=AmpOptimWrapper,
        optimizer=dict(type=SGD, lr=0.1, momentum=0.9, nesterov=True),
    ),
)
param_scheduler = dict(
    architecture=[
        dict(type=CosineAnnealingLR, eta_min_ratio=0.1, convert_to_iter_based=True)
    ],
    mutator=[
        dict(
            type=SearchCosineLR,
            eta_min_ratio=0.2,
            begin=0.5,
            convert_to_iter_based=True,
        )
    ],
)
train_cfg = dict(type=ResumableTrainLoop, max_epochs=4, val_interval=2)
