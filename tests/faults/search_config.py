"""A search of a few seconds: digits, a tiny network, 4 epochs of 9 steps."""

_base_ = '../../configs/pruning/dmcp/dmcp_resnet14_supernet_digits.py'

model = dict(
    architecture=dict(
        backbone=dict(depth=8, base_channels=8), head=dict(in_channels=32)
    ),
    arch_start=0.5,
    tolerance=0.05,
)
train_dataloader = dict(batch_size=128)
train_cfg = dict(max_epochs=4, val_interval=2)
default_hooks = dict(
    checkpoint=dict(interval=1, max_keep_ckpts=3), logger=dict(interval=3)
)
custom_hooks = [
    dict(
        type='mmdmcp.DMCPSearchHook',
        name='TINY',
        num_candidates=2,
        draws='direct',
        recalibration_batches=4,
    )
]
