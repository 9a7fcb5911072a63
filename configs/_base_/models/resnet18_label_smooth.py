_base_ = 'mmpretrain::_base_/models/resnet18.py'

model = dict(head=dict(loss=dict(type='LabelSmoothLoss', label_smooth_val=0.1)))
