# What every DMCP search shares; see docs of mmdmcp.DMCP for its options.
# A config adds a runtime, a data set with a validation part of its own, a
# search schedule, and `model` and `custom_hooks` naming the network.

# Validation measures nets of the supernet that have a name: the widest, and
# the one of expected widths, which is what the search would export now.
val_cfg = dict(type='mmdmcp.SearchValLoop', nets=('max', 'expected'))

# One gradient synchronisation an iteration, architecture gradients averaged.
model_wrapper_cfg = dict(type='mmdmcp.SearchDistributed')
