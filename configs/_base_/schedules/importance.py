# What every pruning by importance shares: fine-tuning of a pretrained network,
# which is small from the first iteration on (or in steps; see
# docs/importance.md). A schedule adds the length, a config a runtime, a data
# set, and `model`, `load_from` and `custom_hooks` naming the network.
optim_wrapper = dict(
    optimizer=dict(type='SGD', lr=0.05, momentum=0.9, weight_decay=5e-4, nesterov=True),
    paramwise_cfg=dict(norm_decay_mult=0.0, bias_decay_mult=0.0),
)
param_scheduler = dict(type='CosineAnnealingLR', convert_to_iter_based=True)
train_cfg = dict(type='mmdmcp.ResumableTrainLoop')
val_cfg = dict()
test_cfg = dict()

# Gradients of parts of weights pass by the hooks of DistributedDataParallel.
model_wrapper_cfg = dict(type='mmdmcp.SearchDistributed')
