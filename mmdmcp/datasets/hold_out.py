"""Hold a part of a training set out, to choose networks on."""

from mmengine.dataset import BaseDataset
from mmengine.registry import DATASETS as ROOT

from ..errors import ConfigError, DataError
from ..registry import DATASETS

PARTS = ('train', 'val')


@DATASETS.register_module()
def HoldOut(of: str, part: str, every: int = 10, **kwargs) -> BaseDataset:
    """Build a data set and keep one of its two parts.

    A search ranks its candidates by accuracy. Ranked on the images that the
    result is reported on, the best would look better than it is; so the
    search holds every n-th training image out and ranks on those. Striding
    keeps the classes balanced both in shuffled sets and in sets sorted by
    class, and needs no random numbers.

    A stock dataset config becomes a part of itself by inheritance, its
    other keys stay where they are::

        train_dataloader = dict(dataset=dict(
            type='mmdmcp.HoldOut', of='ImageNet', part='train', every=25))

    Args:
        of (str): Type of the data set, any of MMEngine's ``BaseDataset``.
        part (str): 'val' for every n-th sample, 'train' for all others.
        every (int): n. Defaults to 10.
        **kwargs: The arguments of the data set.

    Returns:
        mmengine.dataset.BaseDataset: The data set itself, cut to the part.

    Raises:
        ConfigError: If ``part`` or ``every`` is out of range, or the type
            can't be cut.
        DataError: If the data set can't be read, or is too small.

    Example:
        >>> from mmdmcp.datasets import HoldOut
        >>> len(HoldOut('mmdmcp.Digits', 'val', every=10, split='train'))
        107
    """
    if part not in PARTS:
        raise ConfigError(
            f'part={part!r} of mmdmcp.HoldOut: choose one of {", ".join(PARTS)}'
        )
    if not isinstance(every, int) or every < 2:
        raise ConfigError(
            f'every={every!r} of mmdmcp.HoldOut: give an integer, 2 or more'
        )
    try:
        dataset = ROOT.build(dict(type=of, **kwargs))
    except (OSError, RuntimeError) as error:  # mmpretrain raises either
        raise DataError(
            f"{of} can't be read: {error}. Set data_root of its dataloader "
            'to the folder that holds it, for example with --cfg-options '
            'train_dataloader.dataset.data_root=FOLDER'
        ) from error
    if not hasattr(dataset, 'get_subset_'):
        raise ConfigError(
            f'of={of!r} of mmdmcp.HoldOut: '
            f'{type(dataset).__name__} is not one of '
            "MMEngine's BaseDataset, it has no subsets"
        )
    held = set(range(every - 1, len(dataset), every))
    if not held:
        raise DataError(
            f'{of} has {len(dataset)} samples, too few to hold '
            f'every {every}th out: lower every, alike in '
            'train_dataloader.dataset.every and in '
            'val_dataloader.dataset.every, or look for missing '
            'samples'
        )
    dataset.get_subset_(
        [i for i in range(len(dataset)) if (i in held) == (part == 'val')]
    )
    return dataset
