# Half of the 1.5 times wider network's 6.9 M parameters.
_base_ = './dmcp_mobilenetv2_supernet_8xb32.py'

model = dict(target='params=50%')
custom_hooks = [dict(type='mmdmcp.DMCPSearchHook', name='MOBILENETV2_PARAMS')]
