_base_ = './fcn_r18-d8_1xb8_camvid.py'

model = dict(
    _delete_=True,
    type='mmdmcp.PrunedModel',
    cfg=_base_.model,
    subnet='work_dirs/dmcp_fcn-r18-d8_supernet_1xb8_camvid/DMCP_SUBNET_CAMVID.yaml',
)
