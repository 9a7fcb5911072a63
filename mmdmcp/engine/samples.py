"""A sample that can't be used stops a run with its number and its file.

The data loaders that a runner builds are watched. A sample that is read well
costs a look at its label; no random number is drawn, and nothing in it changes.
"""

import functools
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import torch
from mmengine.runner import Runner
from torch.utils.data import DataLoader, get_worker_info

from ..errors import DataError, MmdmcpError, first_line
from ..files import why_not_a_file
from ..walk import nodes

_LOADERS = ('train_dataloader', 'val_dataloader', 'test_dataloader')
_INNER = ('dataset', '_dataset')  # what wrappers of data sets call theirs


class SampleError(DataError):
    """A sample can't be read, or has a label that it can't have.

    Workers of data loaders send an error's whole traceback as its text: only
    what it says is kept.
    """

    def __init__(self, text: str) -> None:
        super().__init__(text.rpartition(f'{type(self).__name__}: ')[2].strip())


class Outputs(NamedTuple):
    """How many classes the heads of a model tell apart.

    Attributes:
        option: Key of the config that says so.
        number: Labels go from 0 to one less.
        ignored: Label of pixels that do not count.
    """

    option: str
    number: int
    ignored: int


def watch_samples(runner: Runner) -> None:
    """From now on, the runner's data loaders name the samples that fail.

    Args:
        runner: Has built no data loader yet.
    """
    build = runner.build_dataloader
    outputs = _outputs(runner.cfg.get('model'))
    keys = {id(getattr(runner, f'_{name}')): name for name in _LOADERS}

    @functools.wraps(build)
    def build_dataloader(dataloader, *args, **kwargs):
        name = keys.get(id(dataloader), 'a data loader')
        try:
            loader = build(dataloader, *args, **kwargs)
        except (MmdmcpError, TypeError, MemoryError, ImportError):
            raise
        except Exception as error:
            if isinstance(error, KeyError) and 'registry' in str(error):
                raise
            raise DataError(
                f"{name}: the data set can't be read ({type(error).__name__}: "
                f'{first_line(error, 300)}){_bad_line(dataloader)}'
            ) from error
        _check_length(loader, name)
        _watch_loader(loader, outputs)
        return loader

    runner.build_dataloader = build_dataloader


def _outputs(model: Any) -> Outputs | None:
    found = [
        Outputs(
            f'{key}.num_classes',
            part['num_classes'],
            part['ignore_index'] if isinstance(part.get('ignore_index'), int) else 255,
        )
        for key, part in nodes(model, 'model')
        if key.endswith('head') and isinstance(part.get('num_classes'), int)
    ]
    return max(found, key=lambda one: one.number, default=None)


def _check_length(loader: DataLoader, name: str) -> None:
    if not hasattr(loader.dataset, '__len__'):
        return
    samples = len(loader.dataset)
    if not samples:
        raise DataError(
            f'{name}: the {type(loader.dataset).__name__} has no samples. Look at '
            'its data_root, ann_file and data_prefix, and at what its filter_cfg '
            'leaves'
        )
    if not len(loader):
        raise DataError(
            f'{name}: {samples} samples are fewer than a batch of '
            f'{loader.batch_size}, and drop_last drops it. Lower '
            f'{name}.batch_size, or set {name}.drop_last=False'
        )


def _watch_loader(loader: DataLoader, outputs: Outputs | None) -> None:
    if loader.num_workers:
        # There, so that what is sent to them is the data set as it was.
        loader.worker_init_fn = partial(_in_worker, loader.worker_init_fn, outputs)
    else:
        watch(loader.dataset, outputs)


def _in_worker(
    init: Callable[[int], None] | None, outputs: Outputs | None, worker: int
) -> None:
    info = get_worker_info()
    assert info is not None  # this runs in a worker
    watch(info.dataset, outputs)
    if init is not None:
        init(worker)


def watch(dataset: Any, outputs: Outputs | None = None) -> None:
    """Let a data set, and those inside it, name the samples that fail.

    Args:
        dataset: Its class becomes one that inherits from what it was.
        outputs: What labels may be; not checked by default.
    """
    kind: Any = type(dataset)
    if not hasattr(kind, '__getitem__') or hasattr(kind, '_watched_outputs'):
        return
    try:
        dataset.__class__ = _watched(kind)
    except TypeError:  # a list, or a class with slots
        return
    dataset._watched_outputs = outputs
    inner = [vars(dataset).get(name) for name in _INNER]
    for one in [*inner, *(vars(dataset).get('datasets') or [])]:
        if one is not None:
            watch(one)


@functools.cache
def _watched(kind: Any) -> type:
    """A data set's class, with samples that are named when they fail."""

    def __getitem__(self, index):
        try:
            sample = kind.__getitem__(self, index)
        except (MmdmcpError, MemoryError):
            raise
        except Exception as error:
            if isinstance(error, IndexError) and not 0 <= index < len(self):
                raise  # how a loop over a data set ends
            raise SampleError(
                f"{_name(self, index)} can't be read: {type(error).__name__}: "
                f'{first_line(error, 300)}'
            ) from error
        outputs = self._watched_outputs
        if outputs is not None and isinstance(sample, Mapping):
            label = wrong_label(sample.get('data_samples'), outputs)
            if label is not None:
                raise SampleError(
                    f'{_name(self, index)} has the label {label}, but '
                    f'{outputs.option}={outputs.number}: labels go from 0 to '
                    f'{outputs.number - 1}. Correct the annotation, or set '
                    f'{outputs.option}'
                )
        return sample

    body = dict(
        __getitem__=__getitem__,
        __module__=kind.__module__,
        __qualname__=kind.__qualname__,
        __doc__=kind.__doc__,
        _watched_outputs=None,
    )
    return type(kind)(kind.__name__, (kind,), body)


def wrong_label(sample: Any, outputs: Outputs) -> int | None:
    """A label of a sample that no output stands for; None if there is none.

    Args:
        sample: A data sample of mmpretrain, mmdet or mmseg; others pass.
        outputs: What the model tells apart.
    """
    labels = getattr(sample, 'gt_label', None)
    if labels is None:
        labels = getattr(getattr(sample, 'gt_instances', None), 'labels', None)
    pixels = getattr(getattr(sample, 'gt_sem_seg', None), 'data', None)
    for values in (labels, pixels):
        if not isinstance(values, torch.Tensor) or not values.numel():
            continue
        low, high = (int(value) for value in values.aminmax())
        if low >= 0 and high < outputs.number:
            continue
        wrong = values[(values < 0) | (values >= outputs.number)]
        if values is pixels:
            wrong = wrong[wrong != outputs.ignored]
        if wrong.numel():
            return int(wrong[0])
    return None


def _name(dataset: Any, index: int) -> str:
    """A sample's number, and its file if the data set tells it."""
    try:
        info = dataset.get_data_info(index)
        paths = [v for k, v in info.items() if k.endswith('path') and v]
    except Exception:  # what it is asked for may be what is broken
        paths = []
    where = f' ({paths[0]})' if paths else ''
    return f'sample {index} of the {type(dataset).__name__}{where}'


def _bad_line(dataloader: Any) -> str:
    """Where a list of images and labels is broken, for the end of a message."""
    for _, part in nodes(dataloader):
        name = part.get('ann_file')
        if not isinstance(name, str) or not name.endswith(('.txt', '.csv')):
            continue
        roots = ('', part.get('data_root') or '')
        for path in (Path(root, name).expanduser() for root in roots):
            if why_not_a_file(path) is not None:
                continue
            for number, line in enumerate(
                path.read_text('utf-8', 'replace').splitlines(), 1
            ):
                words = line.strip().rsplit(' ', 1)
                if len(words) != 2 or not words[1].removeprefix('-').isdigit():
                    return (
                        f'. Line {number} of {path} is {line[:60]!r}: '
                        'give the path of an image and the number of its class'
                    )
    return ''
