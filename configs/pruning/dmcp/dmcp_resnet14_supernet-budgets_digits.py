# One search, three subnets: DMCP_SUBNET_DIGITS_70PERCENT.yaml and so on.
_base_ = './dmcp_resnet14_supernet_digits.py'

model = dict(target=['70%', '50%', '30%'])
# A step serves one of the three, and is three times as long.
optim_wrapper = dict(mutator=dict(optimizer=dict(lr=0.1 / 3)))
