# One search, three subnets, of the sizes that the authors report.
_base_ = './dmcp_mobilenetv2_supernet_8xb32.py'

model = dict(target=['300M', '211M', '87M'])
