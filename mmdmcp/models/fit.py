"""Neck and heads must expect the channels that a pruned backbone gives.

Hosts write them into the config as numbers. :func:`FittedModel` fills them
in; where a config has its own, :func:`check_fit` refuses a wrong one before
training, with the right ones in the message.
"""

import traceback
from collections.abc import Sequence
from typing import Any

from torch import nn

from ..errors import ConfigError, first_line
from ..registry import MODELS


@MODELS.register_module()
def FittedModel(host: str, backbone: dict, **parts: Any) -> nn.Module:
    """Build a detector, segmentor or classifier around a pruned backbone.

    The ``in_channels`` of its neck, or of its heads where no neck takes
    them, are set to what the backbone gives; every other option is the
    stock config's, in its usual place.

    Args:
        host (str): Type of the model, such as ``'RetinaNet'``.
        backbone (dict): Config of a :func:`PrunedBackbone`.
        **parts: All other options of the host.

    Returns:
        nn.Module: The host's own model.

    Example:
        >>> model = dict(
        ...     type='mmdmcp.FittedModel',
        ...     host=_base_.model.type,
        ...     backbone=dict(
        ...         _delete_=True,
        ...         type='mmdmcp.PrunedBackbone',
        ...         cfg=_base_.model.backbone,
        ...         subnet='pruning/dmcp/DMCP_SUBNET_IMAGENET.yaml'))
    """
    if not isinstance(backbone, dict):
        raise ConfigError(f'backbone must be a config, not {backbone!r}')
    if parts.get('pretrained') is not None:
        backbone = dict(backbone, pretrained=parts['pretrained'])
    built = MODELS.build(backbone)
    channels = getattr(built, 'out_channels', None)
    if not isinstance(channels, list):
        raise ConfigError(
            f'backbone: a {type(built).__name__} does not say its '
            "out_channels; use type='mmdmcp.PrunedBackbone'"
        )
    return fitted(host, built, channels, parts)


def fitted(
    host: str, backbone: nn.Module, channels: Sequence[int], parts: dict[str, Any]
) -> nn.Module:
    """Build a host around a backbone that is there already.

    Args:
        host (str): Type of the model.
        backbone (nn.Module): What becomes its backbone.
        channels (list[int]): Channels of each output of the backbone.
        parts (dict): All other options of the host.

    Raises:
        ConfigError: If other options than ``in_channels`` must follow.
    """
    try:
        return MODELS.build(
            dict(
                fill_in_channels(parts, channels),
                type=host,
                # Built once: the host gets the module itself.
                backbone=dict(type=lambda: backbone),
            )
        )
    except AssertionError as error:
        why = (
            first_line(error)
            if str(error)
            else traceback.extract_tb(error.__traceback__)[-1].line
        )
        raise ConfigError(
            f'{host}: does not build with the in_channels of a backbone with '
            f'outputs of {list(channels)} channels ({why}): set the options '
            'that must follow them'
        ) from error


def fill_in_channels(parts: dict[str, Any], channels: Sequence[int]) -> dict[str, Any]:
    """Options of a host with ``in_channels`` of its neck or heads set.

    Args:
        parts (dict): Options of the host: ``neck``, ``decode_head``, ...
        channels (list[int]): Channels of each output of the backbone.

    Returns:
        dict: A copy; ``parts`` is not changed.
    """
    parts = dict(parts)
    if _takes_channels(parts.get('neck')):
        parts['neck'] = _fitted(parts['neck'], channels, 'neck')
        return parts
    for key, part in parts.items():
        if not key.endswith('head'):
            continue
        if isinstance(part, (list, tuple)):
            parts[key] = [_fitted(p, channels, key) for p in part]
        else:
            parts[key] = _fitted(part, channels, key)
    return parts


def _takes_channels(neck: Any) -> bool:
    first = neck[0] if isinstance(neck, (list, tuple)) and neck else neck
    return isinstance(first, dict) and 'in_channels' in first


def _fitted(part: Any, channels: Sequence[int], name: str) -> Any:
    if isinstance(part, (list, tuple)):  # necks in a row: the first one
        return [_fitted(part[0], channels, name), *part[1:]]
    if not isinstance(part, dict) or 'in_channels' not in part:
        return part
    part = part.copy()
    part['in_channels'] = _choose(
        part['in_channels'], part.get('in_index'), channels, name
    )
    if part.get('c1_in_channels'):  # DeepLabV3+: also takes the first output
        part['c1_in_channels'] = channels[0]
    return part


def _choose(stock: Any, index: Any, channels: Sequence[int], name: str):
    """The value for ``in_channels`` in place of the stock one."""
    try:
        if not isinstance(stock, (list, tuple)):
            return channels[-1 if index is None else index]
        if index is not None:
            return type(stock)(channels[i] for i in index)
    except (IndexError, TypeError):
        raise ConfigError(
            f'{name}: in_index={index!r} does not fit a backbone with '
            f'outputs of {list(channels)} channels'
        ) from None
    if len(stock) != len(channels):
        raise ConfigError(
            f'{name}: in_channels={list(stock)} has {len(stock)} entries, '
            f'the backbone has outputs of {list(channels)} channels: set its '
            'out_indices or in_channels'
        )
    # Necks that take the deepest output first list falling channels.
    falling = len(stock) > 1 and stock[0] > stock[-1]
    # Some hosts insist on a tuple where their configs have one.
    return type(stock)(channels[::-1] if falling else channels)


def check_fit(model: nn.Module) -> None:
    """Check that what stands beside a pruned backbone expects its channels.

    Neither a backbone nor its host checks that itself: a wrong number shows
    only in the first batch, as a mismatch of shapes.

    Args:
        model: A whole model. Without a :func:`PrunedBackbone` in it, nothing
            is checked.

    Raises:
        ConfigError: Naming the part, and the channels that are right.
    """
    for host in model.modules():
        backbone = host._modules.get('backbone')
        channels = getattr(backbone, 'pruned_out_channels', None)
        if not isinstance(channels, list):
            continue
        neck = _in_channels(host._modules.get('neck'))
        for name, part in host.named_children():
            if name == 'neck' or (name.endswith('head') and neck is None):
                for one in part if isinstance(part, nn.ModuleList) else [part]:
                    where = f'{type(host).__name__}.{name}'
                    _check(one, where, channels)
                    _check_boxes(one, where, channels)


def _in_channels(part: Any) -> Any:
    if isinstance(part, nn.Sequential) and len(part):
        part = part[0]
    return getattr(part, 'in_channels', None)


def _check(part: nn.Module, name: str, channels: Sequence[int]) -> None:
    """Refuse a part that expects other channels than it will get."""
    found = _in_channels(part)
    if found is None:
        return
    index = getattr(part, 'in_index', None)
    right: int | list[int] = list(channels)
    if isinstance(index, (list, tuple)):
        right = [channels[i] for i in index]
    elif isinstance(index, int):
        right = channels[index]
    if isinstance(found, (list, tuple)):
        fits = isinstance(right, list) and sorted(found) == sorted(right)
    elif isinstance(right, list):  # one of them, or all concatenated
        fits = found in right or found == sum(right)
    else:
        fits = found == right
    if not fits:
        found = list(found) if isinstance(found, tuple) else found
        raise ConfigError(
            f'{name}: in_channels is {found}, but the pruned backbone gives '
            f'{right}. Set in_channels={right}, or let '
            "type='mmdmcp.FittedModel' fill it in"
        )
    c1 = getattr(part, 'c1_bottleneck', None)
    if c1 is not None and c1.conv.in_channels != channels[0]:
        raise ConfigError(
            f'{name}: c1_in_channels is {c1.conv.in_channels}, '
            f'but the pruned backbone gives {channels[0]}'
        )


def _check_boxes(part: nn.Module, name: str, channels: Sequence[int]) -> None:
    """Without a neck, boxes are cut out of the backbone's outputs."""
    extractor = getattr(part, 'bbox_roi_extractor', None)
    found = getattr(extractor, 'out_channels', None)
    if found is not None and found not in channels:
        raise ConfigError(
            f'{name}: bbox_roi_extractor.out_channels is {found}, but the '
            f'pruned backbone gives {list(channels)}. Set it, and the '
            'in_channels of the bbox_head unless a shared_head precedes it'
        )
