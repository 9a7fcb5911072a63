_base_ = [
    '../../_base_/digits_runtime.py',
    '../../_base_/dmcp_supernet.py',
    '../../_base_/models/resnet14_digits.py',
    '../../_base_/datasets/digits.py',
    '../../_base_/schedules/digits_bs64_dmcp_search.py',
]

model = dict(
    _delete_=True,
    type='mmdmcp.DMCP',
    architecture=_base_.model,
    target='50%',
    input_shape=(1, 8, 8),
)
custom_hooks = [dict(type='mmdmcp.DMCPSearchHook', name='DIGITS')]
