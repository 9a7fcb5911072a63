"""ImageNet configs on other people's folders of images.

mmpretrain's ``ImageNet`` reads any folder with a folder for each class, but
insists on a thousand of them.
"""
from pathlib import Path
from typing import List

from mmengine.config import Config

_LOADERS = ('train_dataloader', 'val_dataloader', 'test_dataloader')
_IMAGENET = ('ImageNet', 'mmpretrain.ImageNet')


def fit_class_folders(cfg: Config) -> List[str]:
    """Let data sets of type ``ImageNet`` read the folders that are there.

    Where ``data_root`` holds another number of class folders than 1,000,
    their names become the classes; where it has ``validation`` and no
    ``val``, that is read. Whatever the config says itself stays.

    Args:
        cfg: The config; changed in place.

    Returns:
        A notice for each change.
    """
    notices: List[str] = []
    for key in _LOADERS:
        dataset = (cfg.get(key) or {}).get('dataset') or {}
        if dataset.get('of', dataset.get('type')) not in _IMAGENET or \
                not dataset.get('data_root') or dataset.get('ann_file'):
            continue
        root = Path(dataset.data_root)
        part = dataset.get('data_prefix') or dataset.get('split') or ''
        if part == 'val' and not (root / part).exists() and \
                (root / 'validation').is_dir():
            part = 'validation'
            dataset.update(split='', data_prefix=part)
            notices.append(f'{key}: {root} has no val, validation is read')
        if not isinstance(part, str) or not (root / part).is_dir() or \
                (dataset.get('metainfo') or {}).get('classes'):
            continue
        names = sorted(p.name for p in (root / part).iterdir() if p.is_dir())
        if names and len(names) != 1000:
            dataset['metainfo'] = dict(
                dataset.get('metainfo') or {}, classes=tuple(names))
            notices.append(f'{key}: {root / part} has {len(names)} class '
                           'folders, their names are the classes')
    return notices
