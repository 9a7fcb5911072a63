"""A search with a method that no part of mmdmcp knows."""

_base_ = [
    '../../configs/_base_/digits_runtime.py',
    '../../configs/_base_/models/resnet14_digits.py',
    '../../configs/_base_/datasets/digits.py',
    '../../configs/_base_/schedules/digits_bs64_40e.py',
]

custom_imports = dict(imports=['random_widths'], allow_failed_imports=False)
model = dict(
    _delete_=True,
    type='RandomWidths',
    architecture=_base_.model,
    target='50%',
    input_shape=(1, 8, 8),
)
custom_hooks = [dict(type='RandomWidthsHook', name='TINY')]
val_cfg = dict(type='mmdmcp.SearchValLoop', nets=('max', 'random'))
train_cfg = dict(max_epochs=3, val_interval=3)
train_dataloader = dict(batch_size=128, dataset=dict(indices=512))
val_dataloader = dict(dataset=dict(indices=64))
default_hooks = dict(checkpoint=dict(interval=1, max_keep_ckpts=3))
