_base_ = [
    '../../_base_/digits_runtime.py',
    '../../_base_/models/resnet14_digits.py',
    '../../_base_/datasets/digits.py',
    '../../_base_/schedules/digits_bs64_40e.py',
]
