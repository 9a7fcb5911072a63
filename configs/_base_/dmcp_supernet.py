# What every DMCP search shares; see docs/dmcp.md for the options.
# A config adds a runtime, a data set with a validation part of its own, a
# search schedule, and `model` and `custom_hooks` naming the network.

# Validation measures two nets of the supernet by name: the widest, and the one
# of expected widths, which is what the search would export now.
val_cfg = dict(type='mmdmcp.SearchValLoop', nets=('max', 'expected'))

# One gradient synchronisation an iteration, architecture gradients averaged.
model_wrapper_cfg = dict(type='mmdmcp.SearchDistributed')
