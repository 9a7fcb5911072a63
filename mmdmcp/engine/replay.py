"""Settings of optimisers and schedules in a run that goes on.

MMEngine takes the learning rate, the weight decay and the schedule from the
checkpoint, whatever the config says. Here the config's are put into what is
loaded, where the run would stand if it had been started with them.
"""

import warnings
from collections.abc import Iterator, Mapping
from typing import Any

from mmengine.optim import OptimWrapper, OptimWrapperDict
from mmengine.runner import Runner

from ..errors import CheckpointError

# What a schedule counts; all else are its settings.
_COUNTS = ('last_step', '_global_step', '_last_value', 'verbose')


def take_settings(runner: Runner, checkpoint: dict, may_differ: bool) -> list[str]:
    """Put the settings of a runner's optimisers into a checkpoint.

    Args:
        runner: Its optimisers and schedules are built, and have not run.
        checkpoint: What it is about to resume from; changed in place.
        may_differ: Whether the config may have changed.

    Returns:
        What to log, one sentence each.

    Raises:
        CheckpointError: If a change can't take effect.
    """
    schedules = runner.param_schedulers
    stored = checkpoint.get('param_schedulers')
    notices = list(_without_state(runner.optim_wrapper, checkpoint))
    lost = bool(schedules) and not stored
    if not lost and not (may_differ and _differ(runner, checkpoint)):
        return notices
    plateau = [s for s in _flat(schedules) if getattr(s, 'need_val_args', False)]
    if plateau:
        raise CheckpointError(
            f'{runner._load_from}: the settings of the optimiser or its schedule '
            f'have changed, or the schedule is missing, and a '
            f'{type(plateau[0]).__name__} follows the results of validation, '
            'which are not known any more. Set them back to go on with '
            '--resume, or start another run with load_from'
        )
    _replay(runner, checkpoint['meta'])
    for part, wrapper in _parts(runner.optim_wrapper):
        state = _stored(checkpoint, part)
        for group, new in zip(state['param_groups'], wrapper.optimizer.param_groups):
            # The same parameters, by number.
            settings = {k: v for k, v in new.items() if k != 'params'}
            group.update(settings)
            for key in set(group) - set(settings) - {'params'}:
                del group[key]
        if wrapper.base_param_settings is not None:  # the rate that is logged
            state['base_param_settings'] = wrapper.base_param_settings
    if schedules:
        checkpoint['param_schedulers'] = _states(schedules)
    rates = ', '.join(
        f'{part or "optim_wrapper"} {wrapper.param_groups[0]["lr"]:.3g}'
        for part, wrapper in _parts(runner.optim_wrapper)
    )
    why = 'it has no schedules' if lost else 'the config has other settings'
    return [
        *notices,
        f'{why} of the optimisers; learning rates go on where this config has '
        f'them after {checkpoint["meta"]["iter"]} iterations: {rates}',
    ]


def _differ(runner: Runner, checkpoint: dict) -> bool:
    """Whether optimisers or schedules have other settings than the stored.

    Raises:
        CheckpointError: If the stored optimiser is another one.
    """
    for part, wrapper in _parts(runner.optim_wrapper):
        groups = _stored(checkpoint, part)['param_groups']
        if len(groups) != len(wrapper.optimizer.param_groups):
            raise CheckpointError(
                f'{runner._load_from}: its optimiser has {len(groups)} groups of '
                f'parameters, that of the config {len(wrapper.optimizer.param_groups)}: what '
                'it remembers is of others. Set optim_wrapper back to go on with '
                '--resume, or start another run from these weights with load_from'
            )
        for group, new in zip(groups, wrapper.optimizer.param_groups):
            old = _settings(group)
            # Another version of torch may have more of them.
            if any(old.get(k, v) != v for k, v in _settings(new).items()):
                return True
    counts = [_plain_state(s) for s in _flat(_states(runner.param_schedulers))]
    return counts != [_plain_state(s) for s in _flat(checkpoint['param_schedulers'])]


def _settings(group: Mapping) -> dict[str, Any]:
    """Settings of a group of parameters, before any schedule."""
    return {
        key: group.get(f'initial_{key}', value)
        for key, value in group.items()
        if key not in ('params', 'param_names') and not key.startswith('initial_')
    }


def _plain_state(state: Mapping) -> dict[str, Any]:
    return {key: value for key, value in state.items() if key not in _COUNTS}


def _replay(runner: Runner, meta: Mapping) -> None:
    """Step the schedules to where a run has come to."""
    schedules = list(_flat(runner.param_schedulers))
    length = len(runner.train_dataloader)
    epochs = 0
    with warnings.catch_warnings():
        # No optimiser has made a step, as torch notices.
        warnings.filterwarnings('ignore', 'Detected call of `scheduler.step')
        for iteration in range(1, meta['iter'] + 1):
            for schedule in schedules:
                if not schedule.by_epoch:
                    schedule.step()
            if iteration % length == 0 and epochs < meta['epoch']:
                epochs += 1
                for schedule in schedules:
                    if schedule.by_epoch:
                        schedule.step()


def _without_state(wrapper: OptimWrapper, checkpoint: Mapping) -> Iterator[str]:
    """Whether an optimiser that has something to remember remembers nothing."""
    for part, one in _parts(wrapper):
        group = one.param_groups[0]
        forgets = type(one.optimizer).__name__ == 'SGD' and not group['momentum']
        if part == 'mutator' or forgets or not checkpoint['meta']['iter']:
            continue  # chains begin to train later
        if not _stored(checkpoint, part).get('state'):
            yield (
                'it holds no state of the optimiser: momentum starts at zero, and '
                'the run ends differently'
            )


def _parts(wrapper: OptimWrapper) -> list[tuple[str, OptimWrapper]]:
    if isinstance(wrapper, OptimWrapperDict):
        return list(wrapper.items())
    return [('', wrapper)]


def _stored(checkpoint: Mapping, part: str) -> dict:
    optimizer = checkpoint['optimizer']
    found = optimizer.get(part) if part else optimizer
    if not isinstance(found, dict) or 'param_groups' not in found:
        raise CheckpointError(
            'the checkpoint has no state of the optimiser '
            + (f'of `{part}`' if part else '')
            + ': it is of another run. Give load_from its path in place of --resume'
        )
    return found


def _states(schedules: Any) -> Any:
    """States of schedules, in the form that MMEngine stores them in."""
    if isinstance(schedules, Mapping):
        return {name: _states(some) for name, some in schedules.items()}
    return [schedule.state_dict() for schedule in schedules or []]


def _flat(schedules: Any) -> Iterator[Any]:
    """All schedules (or states of schedules) of all optimisers."""
    if isinstance(schedules, Mapping):
        schedules = [one for some in schedules.values() for one in some]
    yield from schedules or []
