# mmdmcp profile configs/pruning/dmcp/dmcp_mobilenetv2_supernet_8xb32.py \
#     --runtime onnxruntime -o work_dirs/LATENCY_MOBILENETV2.yaml
_base_ = 'dmcp_mobilenetv2_supernet_8xb32.py'

model = dict(target='latency=50%', profile='work_dirs/LATENCY_MOBILENETV2.yaml')
custom_hooks = [dict(type='mmdmcp.DMCPSearchHook', name='MOBILENETV2_LATENCY')]
