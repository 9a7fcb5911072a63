_base_ = [
    '../_base_/dmcp_supernet.py',
    '../_base_/models/fcn_r18-d8_camvid.py',
    '../_base_/datasets/camvid_240.py',
    '../_base_/schedules/camvid_bs8_dmcp_search.py',
    '../_base_/camvid_runtime.py',
]

# The whole segmentor is searched, its heads too; with
# mutator=dict(scope=['backbone']), only the backbone. Narrow networks learn
# the widest one's classes, pixel by pixel.
model = dict(
    _delete_=True,
    type='mmdmcp.DMCP',
    architecture=_base_.model,
    target='50%',
    input_shape=(3, 160, 160),
)
custom_hooks = [dict(type='mmdmcp.DMCPSearchHook', name='CAMVID', rank_by='mIoU')]
