"""Which layers must keep the same channels: mmrazor's ChannelAnalyzer.

The only file that knows mmrazor's graph. It hands over plain layouts.
"""
import logging
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Callable, Dict, List, Tuple

import torch
from mmengine.logging import MMLogger
from torch import nn

from .. import compat
from ..errors import TraceError
from ..ops import SLICEABLE, Layout, Segment

# Names of mmrazor's graph nodes for the model's input and output: channels
# that reach them are the user's and can't change.
_FIXED = ('input_placeholder', 'output_placeholder')


@dataclass
class Trace:
    """What the analyzer found.

    Attributes:
        sizes: Channels of each group of tied layers.
        inputs: Layer name to the layout of its inputs; units are indices
            into ``sizes``.
        outputs: The same for outputs.
        fixed: Groups that the model's input or output needs whole.
    """
    sizes: List[int]
    inputs: Dict[str, Layout]
    outputs: Dict[str, Layout]
    fixed: Tuple[int, ...]


def demo_runner(model: nn.Module,
                input_shape: Tuple[int, ...]) -> Callable[[], object]:
    """A function that runs one random sample through the model.

    Args:
        model: A model of an OpenMMLab package, or any module that takes
            ``[1, *input_shape]``.
        input_shape: Channels, height and width.
    """
    compat.apply()
    from mmrazor.models.task_modules.demo_inputs import DefaultDemoInput
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        data = DefaultDemoInput((1, *input_shape), False).get_data(model)
    if isinstance(data, dict):
        return lambda: model(**data)
    return lambda: model(data)


def analyze(model: nn.Module, input_shape: Tuple[int, ...]) -> Trace:
    """Group the channels of a model.

    Args:
        model: The model, on the CPU; it is not changed.
        input_shape: Channels, height and width of one sample.

    Raises:
        TraceError: If the model can't be traced.
    """
    compat.apply()
    from mmrazor.models.task_modules.tracer import ChannelAnalyzer

    class Analyzer(ChannelAnalyzer):
        """Hands over the groups; whether a group can be pruned is tested
        with our own layers."""

        def _find_mutable_units(self, model, units_config):
            return units_config

    with torch.random.fork_rng(devices=[]), _quiet():
        try:
            groups = Analyzer((1, *input_shape)).analyze(model)
        except Exception as error:
            raise TraceError(
                f'{type(model).__name__} can\'t be traced with an input of '
                f'shape {tuple(input_shape)}: {_reason(error)}. Check that '
                '`input_shape` is what the model takes; a model whose layers '
                'the tracer does not know can\'t be pruned') from error
    return _collect(model, list(groups.values()))


def _collect(model: nn.Module, groups: List[dict]) -> Trace:
    modules = {
        name: module
        for name, module in model.named_modules()
        if isinstance(module, SLICEABLE)
    }
    sizes = [group['init_args']['num_channels'] for group in groups]
    pieces = {'input_related': {}, 'output_related': {}}
    fixed = []
    for index, group in enumerate(groups):
        for side, rows in group['channels'].items():
            for row in rows:
                if row['name'] in _FIXED:
                    fixed.append(index)
                elif row['name'] in modules:
                    pieces[side].setdefault(row['name'], set()).add(
                        (row['start'], row['end'], index))
    layouts = {'input_related': {}, 'output_related': {}}
    for side, found in pieces.items():
        for name, rows in found.items():
            size = _size(modules[name], side == 'input_related')
            layouts[side][name] = _layout(name, size, sorted(rows), sizes)
    return Trace(sizes, layouts['input_related'], layouts['output_related'],
                 tuple(sorted(set(fixed))))


def _layout(name: str, size: int, rows: List[tuple],
            sizes: List[int]) -> Layout:
    """Cover a dimension with the rows found, and with fixed segments."""
    segments, stop = [], 0
    for start, end, unit in rows:
        if start < stop:
            raise TraceError(f'{name}: channels {start} to {stop - 1} belong '
                             'to two units; the model can\'t be pruned')
        if start > stop:
            segments.append(Segment(stop, start))
        expand, rest = divmod(end - start, sizes[unit])
        if rest:
            raise TraceError(
                f'{name}: {end - start} channels do not divide into the '
                f'{sizes[unit]} channels of their unit')
        segments.append(Segment(start, end, unit, expand))
        stop = end
    if stop < size:
        segments.append(Segment(stop, size))
    return Layout(segments)


def _size(module: nn.Module, inputs: bool) -> int:
    if isinstance(module, nn.Linear):
        return module.in_features if inputs else module.out_features
    if hasattr(module, 'out_channels'):
        return module.in_channels if inputs else module.out_channels
    return norm_size(module)


def norm_size(module: nn.Module) -> int:
    """Channels of a normalisation layer."""
    if isinstance(module, nn.GroupNorm):
        return module.num_channels
    if isinstance(module, nn.LayerNorm):
        return module.normalized_shape[-1]
    return module.num_features


def _reason(error: BaseException) -> str:
    text = str(error).strip().split('\n')[0]
    return f'{type(error).__name__}: {text}' if text else type(error).__name__


@contextmanager
def _quiet():
    """Hide the tracer's remarks about every node; errors still show."""
    logger = MMLogger.get_current_instance()
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(level)
