# Half of the full network's 25.6 M parameters.
_base_ = './dmcp_resnet50_supernet_8xb32.py'

model = dict(target='params=50%')
custom_hooks = [dict(type='mmdmcp.DMCPSearchHook', name='RESNET50_PARAMS')]
