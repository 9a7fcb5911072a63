"""Learning-rate schedules that were made for a run of another length."""

from collections.abc import Mapping
from typing import Any

from mmengine.config import Config

from ..walk import nodes


def schedule_notices(cfg: Config) -> list[str]:
    """Compare the schedules of a config with its length.

    A schedule that would end after the run never brings the rate to where
    it should end; one that would begin after it does nothing at all, and is
    left out: MMEngine refuses to build it.

    Args:
        cfg: The config of a run; changed in place.

    Returns:
        A notice for each, with the option that corrects it.
    """
    loop = cfg.get('train_cfg') or {}
    lengths = {'epoch': loop.get('max_epochs'), 'iteration': loop.get('max_iters')}
    notices = []
    for key, schedule in nodes(cfg.get('param_scheduler'), 'param_scheduler'):
        unit = 'epoch' if schedule.get('by_epoch', True) else 'iteration'
        length = lengths[unit]
        if 'type' in schedule and isinstance(length, int):
            notices += _beyond(key, schedule, length, unit)
    if notices:
        cfg.param_scheduler = _in_time(cfg.param_scheduler, lengths)
    return notices


def _in_time(node: Any, lengths: Mapping[str, Any]) -> Any:
    """The schedules, without those that begin when the run is over."""
    if isinstance(node, (list, tuple)):
        return [_in_time(one, lengths) for one in node if not _late(one, lengths)]
    if isinstance(node, Mapping) and 'type' not in node:
        return {key: _in_time(one, lengths) for key, one in node.items()}
    return node


def _late(schedule: Any, lengths: Mapping[str, Any]) -> bool:
    if not isinstance(schedule, Mapping):
        return False
    length = lengths['epoch' if schedule.get('by_epoch', True) else 'iteration']
    begin = schedule.get('begin')
    return isinstance(begin, int) and isinstance(length, int) and begin >= length


def _beyond(key: str, schedule: Mapping[str, Any], length: int, unit: str) -> list[str]:
    begin, end = schedule.get('begin'), schedule.get('end')
    if isinstance(begin, int) and begin >= length:
        return [
            f'{key}.begin={begin}, but the run ends at {unit} {length}: this '
            'schedule does nothing and is left out. Set it to its part of the run'
        ]
    if isinstance(end, int) and end > length:
        return [
            f'{key}.end={end}, but the run ends at {unit} {length}: the rate is not '
            'annealed to where it should end. Leave end out, which is the end of '
            f'the run, or set {key}.end={length}'
        ]
    return []
