# What pruning by importance adds to the stock config of another package, which
# names its data, schedule and hooks itself.

# Gradients of parts of weights pass by the hooks of DistributedDataParallel.
model_wrapper_cfg = dict(type='mmdmcp.SearchDistributed')
