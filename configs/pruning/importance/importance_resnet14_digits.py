_base_ = [
    '../../_base_/digits_runtime.py',
    '../../_base_/models/resnet14_digits.py',
    '../../_base_/datasets/digits.py',
    '../../_base_/schedules/digits_bs64_importance.py',
]

model = dict(
    _delete_=True,
    type='mmdmcp.ImportancePruning',
    architecture=_base_.model,
    target='50%',
    input_shape=(1, 8, 8),
)
custom_hooks = [dict(type='mmdmcp.ImportanceHook', name='DIGITS')]

# Trained by ../dmcp/resnet14_digits.py
load_from = 'work_dirs/resnet14_digits/epoch_40.pth'
