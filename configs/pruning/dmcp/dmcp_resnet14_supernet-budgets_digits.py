# One search, three subnets: DMCP_SUBNET_DIGITS_70PERCENT.yaml and so on.
_base_ = './dmcp_resnet14_supernet_digits.py'

model = dict(target=['70%', '50%', '30%'])
