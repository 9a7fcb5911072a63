# mmdmcp profile configs/pruning/dmcp/dmcp_resnet14_supernet_digits.py \
#     --batch 64 -o work_dirs/LATENCY_DIGITS.yaml
_base_ = 'dmcp_resnet14_supernet_digits.py'

model = dict(target='latency=60%', profile='work_dirs/LATENCY_DIGITS.yaml')
custom_hooks = [dict(type='mmdmcp.DMCPSearchHook', name='DIGITS_LATENCY')]
