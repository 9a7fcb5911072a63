"""Sizes that blocks note beside those of their layers."""

from collections.abc import Iterator, Sequence

from torch import nn

from .layers import Change

_MISSING = object()


def block_changes(model: nn.Module, changes: Sequence[Change]) -> Iterator[Change]:
    """New sizes of the blocks that will merge their branches.

    RepVGG's and MobileOne's blocks are trained as several branches, which
    ``switch_to_deploy`` makes one convolution of the sizes that the block
    noted when it was built. A block that says of itself what one of its
    layers says goes on doing so.

    Args:
        model: The full model.
        changes: What will change of its layers.
    """
    of_layer = {id(change.module): change for change in changes}
    for block in model.modules():
        if not hasattr(block, 'switch_to_deploy'):
            continue
        for layer in block.modules():
            change = of_layer.get(id(layer))
            if change is not None and all(
                getattr(block, name, _MISSING) == getattr(layer, name)
                for name in change.sizes
            ):
                yield Change(block, {}, change.sizes)
                break
