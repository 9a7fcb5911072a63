_base_ = 'mmpretrain::_base_/default_runtime.py'

# A search can be resumed from the last checkpoints; older ones only cost room.
default_hooks = dict(checkpoint=dict(max_keep_ckpts=3))
