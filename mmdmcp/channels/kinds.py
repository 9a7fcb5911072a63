"""What torch's primitive operations do to channels, by name."""

import torch

#: The data is moved; the same done to labels moves them along.
MOVES = {
    'view',
    '_unsafe_view',
    'reshape',
    'permute',
    'transpose',
    't',
    'expand',
    'clone',
    'detach',
    'alias',
    'unsqueeze',
    'squeeze',
    'cat',
    'stack',
    'flip',
    'roll',
    'repeat',
    'slice',
    'select',
    'split',
    'split_with_sizes',
    'unbind',
    'lift',
    'lift_fresh',
    '_to_copy',
    '_reshape_alias',
    'alias_copy',
    'conj',
    'real',
    'squeeze_copy',
    'lift_fresh_copy',
}
#: Of these, the ones that change no shape.
SAME = {
    'clone',
    'detach',
    'alias',
    'lift',
    'lift_fresh',
    '_to_copy',
    'alias_copy',
    'conj',
    'real',
    'lift_fresh_copy',
}
CUTS = {'slice', 'select', 'split', 'split_with_sizes', 'unbind'}
VIEWS = {'view', '_unsafe_view', 'reshape', '_reshape_alias'}
REDUCTIONS = {
    'mean',
    'sum',
    'amax',
    'amin',
    'max',
    'min',
    'var',
    'std',
    'var_mean',
    'norm',
    'linalg_vector_norm',
    'logsumexp',
    'prod',
    'any',
    'all',
}
#: Reductions to which a channel of zeros adds as much as none at all.
SUMS = {'sum', 'norm', 'linalg_vector_norm', 'any'}
#: Pooling, padding and resizing, and over how many of the last dimensions;
#: None where the arguments say.
SPATIAL = {
    'max_pool1d': 1,
    'avg_pool1d': 1,
    'max_pool2d_with_indices': 2,
    'max_pool2d': 2,
    'avg_pool2d': 2,
    '_adaptive_avg_pool2d': 2,
    'adaptive_max_pool2d': 2,
    'max_pool3d_with_indices': 3,
    'avg_pool3d': 3,
    '_adaptive_avg_pool3d': 3,
    'adaptive_max_pool3d': 3,
    'constant_pad_nd': None,
    'reflection_pad1d': 1,
    'replication_pad1d': 1,
    'reflection_pad2d': 2,
    'replication_pad2d': 2,
    'upsample_nearest1d': 1,
    'upsample_linear1d': 1,
    'upsample_nearest2d': 2,
    'upsample_bilinear2d': 2,
    'upsample_bicubic2d': 2,
    '_upsample_nearest_exact2d': 2,
    '_upsample_bilinear2d_aa': 2,
    'upsample_nearest3d': 3,
    'upsample_trilinear3d': 3,
}
#: They read only a tensor's shape: what they make has the same channels.
LIKE = {
    'zeros_like',
    'ones_like',
    'full_like',
    'empty_like',
    'rand_like',
    'randn_like',
    'randint_like',
}
SOFTMAX = {'_softmax', '_log_softmax'}
# Elementwise, but without torch's tag for it (an alias, say); or random, entry
# by entry. Names in place (``relu_``) are those without the
# underscore.
_POINTWISE = {
    *SOFTMAX,
    '_add_relu',
    '_prelu_kernel',
    'absolute',
    'arccos',
    'arccosh',
    'arcsin',
    'arcsinh',
    'arctan',
    'arctan2',
    'arctanh',
    'bernoulli',
    'cauchy',
    'celu',
    'complex',
    'copy',
    'divide',
    'exponential',
    'fill',
    'fix',
    'floor_divide',
    'geometric',
    'gelu',
    'greater',
    'greater_equal',
    'hardsigmoid',
    'hardswish',
    'hardtanh',
    'leaky_relu',
    'less',
    'less_equal',
    'log_normal',
    'log_sigmoid_forward',
    'mish',
    'multiply',
    'native_dropout',
    'negative',
    'normal',
    'not_equal',
    'polar',
    'random',
    'rrelu_with_noise',
    'rrelu_with_noise_functional',
    'rsub',
    'selu',
    'special_ndtr',
    'subtract',
    'true_divide',
    'uniform',
    'where',
    'zero',
}


def is_pointwise(func) -> bool:
    """Whether an operation, or what it does in place, is elementwise.

    Args:
        func: An overload of ``torch.ops.aten``.
    """
    if torch.Tag.pointwise in func.tags:
        return True
    name = func._overloadpacket.__name__
    if name in _POINTWISE:
        return True
    if not name.endswith('_') or name.endswith('__'):
        return False
    name = name.rstrip('_')
    if name in _POINTWISE:
        return True
    packet = getattr(torch.ops.aten, name, None)
    return packet is not None and any(
        torch.Tag.pointwise in getattr(packet, overload).tags
        for overload in packet.overloads()
    )
