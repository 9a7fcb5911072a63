"""Sizes that blocks note beside those of their layers."""

from collections.abc import Iterator, Sequence

from torch import nn

from .layers import Change

_SIZES = ('in_channels', 'out_channels', 'groups')


def block_changes(model: nn.Module, changes: Sequence[Change]) -> Iterator[Change]:
    """New sizes of the blocks that will merge their branches.

    RepVGG's and MobileOne's blocks are trained as several branches, which
    ``switch_to_deploy`` makes one convolution of the sizes that the block
    noted when it was built. A block that says of itself what one of its
    convolutions says goes on doing so.

    Args:
        model: The full model.
        changes: What will change of its layers.
    """
    of_layer = {id(change.module): change for change in changes}
    for block in model.modules():
        if not hasattr(block, 'switch_to_deploy'):
            continue
        sizes = _noted(block)
        for layer in block.modules():
            if id(layer) in of_layer and None not in sizes and _noted(layer) == sizes:
                yield Change(block, {}, of_layer[id(layer)].sizes)
                break


def _noted(module: nn.Module) -> list:
    return [getattr(module, name, None) for name in _SIZES]
