"""ImageNet configs on your own folders of images.

mmpretrain's ``ImageNet`` reads any folder with a folder for each class, but
insists on a thousand of them.
"""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from mmengine.config import Config

from ..errors import DataError
from ..walk import is_type, nodes

_LOADERS = ('train_dataloader', 'val_dataloader', 'test_dataloader')


def fit_class_folders(cfg: Config) -> list[str]:
    """Let data sets of type ``ImageNet`` read the folders that are there.

    Where ``data_root`` holds another number of class folders than 1,000,
    their names become the classes; where it has ``validation`` and no
    ``val``, that is read. Classes that the config itself names stay.

    Args:
        cfg: The config; changed in place.

    Returns:
        A notice for each change.

    Raises:
        DataError: If a folder has no classes, two have different ones, or
            there are more than the model has outputs.
    """
    notices: list[str] = []
    found: dict[str, tuple[Path, list[str]]] = {}
    for key in _LOADERS:
        dataset = (cfg.get(key) or {}).get('dataset') or {}
        if (
            not is_type(dataset.get('of', dataset.get('type')), 'ImageNet')
            or not dataset.get('data_root')
            or dataset.get('ann_file')
        ):
            continue
        root = Path(dataset['data_root'])
        part = dataset.get('data_prefix') or dataset.get('split') or ''
        if (
            part == 'val'
            and not (root / part).exists()
            and (root / 'validation').is_dir()
        ):
            part = 'validation'
            dataset.update(split='', data_prefix=part)
            notices.append(f'{key}: {root} has no val, validation is read')
        if (
            not isinstance(part, str)
            or not (root / part).is_dir()
            or (dataset.get('metainfo') or {}).get('classes')
        ):
            continue
        names = sorted(p.name for p in (root / part).iterdir() if p.is_dir())
        found[key] = root / part, names
        if len(names) != 1000:
            dataset['metainfo'] = dict(
                dataset.get('metainfo') or {}, classes=tuple(names)
            )
            notices.append(
                f'{key}: {root / part} has {len(names)} class '
                'folders, their names are the classes'
            )
    _check_classes(found)
    _check_outputs(cfg.get('model'), found)
    return notices


def _check_classes(found: Mapping[str, tuple[Path, Sequence[str]]]) -> None:
    """All loaders must count the same classes: labels are their numbers."""
    first = None
    for key, (folder, names) in found.items():
        if not names:
            raise DataError(
                f'{key}: {folder} has no class folders. Put the images of '
                'each class into a folder of its own there, or set '
                f'{key}.dataset.data_root'
            )
        first = first or (folder, names)
        differing = sorted(set(names).symmetric_difference(first[1]))
        if differing:
            raise DataError(
                f'{key}: {folder} and {first[0]} have different class '
                f'folders, {_listed(differing)} are in one of them only: '
                'labels would not mean the same. Give both the same folders, '
                'empty ones too'
            )


def _check_outputs(model: Any, found: Mapping[str, tuple[Path, Sequence[str]]]) -> None:
    """A model needs an output for each class."""
    for key, (folder, names) in found.items():
        for option, outputs in _outputs(model, 'model'):
            if len(names) > outputs:
                raise DataError(
                    f'{key}: {folder} has {len(names)} class folders, but '
                    f'{option}={outputs}: set it to {len(names)}'
                )


def _outputs(node: Any, key: str) -> Iterator[tuple[str, int]]:
    """Every ``num_classes`` of a model's heads, by its full key."""
    for where, part in nodes(node, key):
        if where.endswith('head') and 'num_classes' in part:
            yield f'{where}.num_classes', part['num_classes']


def _listed(names: Sequence[str]) -> str:
    more = f' and {len(names) - 3} more' if len(names) > 3 else ''
    return ', '.join(names[:3]) + more
