_base_ = [
    '../../_base_/default_runtime.py',
    '../../_base_/dmcp_supernet.py',
    '../../_base_/models/mobilenet_v2_1.5x_label_smooth.py',
    '../../_base_/datasets/imagenet_bs32_search.py',
    '../../_base_/schedules/imagenet_bs256_dmcp_search.py',
]

model = dict(
    _delete_=True,
    type='mmdmcp.DMCP',
    architecture=_base_.model,
    target='211M',
    # The net is 1.5 times as wide as the standard one: widths are 0.1 to 1.5
    # of the standard, in steps of 0.1.
    mutator=dict(init='fitted', grid=dict(max_ratio=1.5)),
    on_budget=True,
)
custom_hooks = [dict(type='mmdmcp.DMCPSearchHook', name='MOBILENETV2')]

# The authors search the small nets with less weight decay and a warm-up.
optim_wrapper = dict(architecture=dict(optimizer=dict(weight_decay=4e-5)))
param_scheduler = dict(
    architecture=[
        dict(type='LinearLR', start_factor=0.25, end=1, convert_to_iter_based=True),
        dict(
            type='CosineAnnealingLR',
            eta_min_ratio=0.16,
            begin=1,
            convert_to_iter_based=True,
        ),
    ]
)
