_base_ = './default_runtime.py'

# A run takes seconds: seeded, and one checkpoint at the end.
randomness = dict(seed=0)
default_hooks = dict(
    logger=dict(interval=17), checkpoint=dict(interval=-1, save_last=True)
)
