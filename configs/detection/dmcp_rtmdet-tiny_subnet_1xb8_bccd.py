_base_ = './importance_rtmdet-tiny_subnet_1xb8_bccd.py'

# What the search found, from the full network's weights, on the schedule of the
# one that was pruned by importance.
model = dict(
    subnet='work_dirs/dmcp_rtmdet-tiny_supernet_1xb8_bccd/DMCP_SUBNET_RTMDET_TINY_BCCD.yaml'
)
