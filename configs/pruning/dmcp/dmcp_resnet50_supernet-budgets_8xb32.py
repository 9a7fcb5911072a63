# One search, three subnets: DMCP_SUBNET_RESNET50_50PERCENT.yaml and so on.
_base_ = './dmcp_resnet50_supernet_8xb32.py'

model = dict(target=['70%', '50%', '25%'])
