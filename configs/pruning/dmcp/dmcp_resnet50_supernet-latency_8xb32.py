# mmdmcp profile configs/pruning/dmcp/dmcp_resnet50_supernet_8xb32.py \
#     --runtime onnxruntime -o work_dirs/LATENCY_RESNET50.yaml
_base_ = 'dmcp_resnet50_supernet_8xb32.py'

model = dict(target='latency=50%', profile='work_dirs/LATENCY_RESNET50.yaml')
custom_hooks = [dict(type='mmdmcp.DMCPSearchHook', name='RESNET50_LATENCY')]
