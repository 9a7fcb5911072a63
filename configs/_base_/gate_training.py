# What every training with gates shares; see docs/gate.md for the options.
# A config adds a runtime, a data set, a schedule for weights and gates, and
# `model`, `load_from` and `custom_hooks` naming the network.

# One gradient synchronisation an iteration, gates' gradients averaged.
model_wrapper_cfg = dict(type='mmdmcp.SearchDistributed')
