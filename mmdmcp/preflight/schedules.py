"""Learning-rate schedules that were made for a run of another length."""

from collections.abc import Mapping
from typing import Any

from mmengine.config import Config

from ..walk import nodes


def schedule_notices(cfg: Config) -> list[str]:
    """Compare the schedules of a config with its length.

    A schedule that would end after the run never brings the rate to where
    it should end; one that would begin after it does nothing at all.

    Args:
        cfg: The config of a run.

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
    return notices


def _beyond(key: str, schedule: Mapping[str, Any], length: int, unit: str) -> list[str]:
    begin, end = schedule.get('begin'), schedule.get('end')
    if isinstance(begin, int) and begin >= length:
        return [
            f'{key}.begin={begin}, but the run ends at {unit} {length}: this '
            'schedule does nothing. Set it to its part of the run, and end with it'
        ]
    if isinstance(end, int) and end > length:
        return [
            f'{key}.end={end}, but the run ends at {unit} {length}: the rate is not '
            'annealed to where it should end. Leave end out, which is the end of '
            f'the run, or set {key}.end={length}'
        ]
    return []
