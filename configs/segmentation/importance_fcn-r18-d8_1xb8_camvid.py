_base_ = ['./fcn_r18-d8_1xb8_camvid.py', '../_base_/host_importance.py']

model = dict(
    _delete_=True,
    type='mmdmcp.ImportancePruning',
    architecture=_base_.model,
    target='50%',
    input_shape=(3, 160, 160),
)
custom_hooks = [dict(type='mmdmcp.ImportanceHook', name='FCN_R18_CAMVID')]
load_from = 'work_dirs/fcn_r18-d8_1xb8_camvid/epoch_80.pth'

# As many epochs as the full one had, from half its rate.
optim_wrapper = dict(optimizer=dict(lr=0.005))
