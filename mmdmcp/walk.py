"""The one walk through a config, and what its types are called.

A config names a type (``'ImageNet'``, ``'mmpretrain.ImageNet'``), or holds the
class itself, as pure-Python configs do, or its full path, as MMEngine writes
those to a file. All of them mean the same here.
"""

from collections.abc import Iterator, Mapping
from typing import Any

import torch
from mmengine.config import Config


def nodes(node: Any, key: str = '') -> Iterator[tuple[str, Mapping]]:
    """Every dict of a config with its full key, the outer before the inner.

    Args:
        node: The config, or a part of it.
        key: Where that stands in the config. Defaults to '': at the top.

    Example:
        >>> [key for key, _ in nodes(dict(model=dict(neck=[dict(a=1)])))]
        ['', 'model', 'model.neck.0']
    """
    if isinstance(node, Config):
        node = node._cfg_dict
    if isinstance(node, Mapping):
        yield key, node
        items = list(node.items())
    else:
        items = list(enumerate(node)) if isinstance(node, (list, tuple)) else []
    for name, child in items:
        yield from nodes(child, f'{key}.{name}' if key else str(name))


def type_name(kind: Any) -> str:
    """A type as configs write it: its package and its name.

    A name without a package stays as it is; '' for None.

    Example:
        >>> type_name('mmdmcp.dmcp.algorithm.DMCP'), type_name('ImageNet')
        ('mmdmcp.DMCP', 'ImageNet')
    """
    if kind is None:
        return ''
    if not isinstance(kind, str):
        name = getattr(kind, '__name__', type(kind).__name__)
        kind = f'{getattr(kind, "__module__", "")}.{name}'
    first, _, rest = kind.partition('.')
    return f'{first}.{rest.rpartition(".")[2]}' if rest else first


def is_type(kind: Any, *names: str) -> bool:
    """Whether a type is one of these.

    Args:
        kind: What stands under ``type``: a name, a path or a class.
        names: ``'mmdmcp.DMCP'`` is that of this package alone;
            ``'ImageNet'`` is any other package's.
    """
    found = type_name(kind)
    scope, _, last = found.rpartition('.')
    return any(
        found == name if '.' in name else last == name and scope != 'mmdmcp'
        for name in names
    )


def package(kind: Any) -> str:
    """The package of a type, '' if only its name is known."""
    return type_name(kind).rpartition('.')[0]


def plain(value: Any) -> Any:
    """A config's values as numbers, strings, lists and dicts alone.

    They can be stored in a checkpoint and compared with others. A class is
    its name; of any other object only its type is left.
    """
    if isinstance(value, Config):
        value = value._cfg_dict
    if isinstance(value, Mapping):
        return {str(key): plain(child) for key, child in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [plain(item) for item in value]
    if value is None or type(value) in (bool, int, float, str):
        return value
    if isinstance(value, torch.dtype):
        return str(value)
    if hasattr(value, 'tolist'):  # NumPy's and torch's numbers
        return plain(value.tolist())
    return type_name(value)
