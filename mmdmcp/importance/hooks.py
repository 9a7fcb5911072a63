"""What pruning by importance does around MMEngine's training loop."""

from collections.abc import Iterator
from contextlib import contextmanager

from mmengine.hooks import EMAHook
from mmengine.runner import Runner

from ..engine import same_randomness, take_batches
from ..methods.pretrained import PretrainedHook
from ..options import refuse_unknown
from ..registry import HOOKS


@HOOKS.register_module()
class ImportanceHook(PretrainedHook):
    """Removes channels when it is time, and writes the small network.

    Before training it prints what can be pruned and evaluates the
    pretrained network. After training it writes
    ``IMPORTANCE_SUBNET_<name>.yaml``, with the small network's weights
    beside it as ``.pth``, into the work dir, evaluates the small network on
    its own and prints a table.

    Args:
        name: Name of the file; defaults to the target as a ratio of the
            full network, e.g. ``50PERCENT``. Of several targets each has a
            file, ``<name>_50PERCENT``, when it is reached.
    """

    row = 'pruned'

    def __init__(self, name: str | None = None, **unknown) -> None:
        refuse_unknown(self, unknown)
        super().__init__(name)

    def before_train(self, runner: Runner) -> None:
        """Look at the full network, unless the training was resumed."""
        super().before_train(runner)
        schedule = self._algorithm(runner).schedule
        schedule.require_order()
        if schedule.iteration:
            return
        self.evaluate_pretrained(runner)
        each = ' of each target' * (schedule.stages > 1)
        moments = ', '.join(map(str, schedule.moments()))
        runner.logger.info(
            f'{schedule.length} iterations{each}; channels are removed before iteration '
            f'{moments}'
        )

    def before_train_iter(
        self, runner: Runner, batch_idx: int, data_batch=None
    ) -> None:
        """Remove channels, if it is time."""
        algorithm = self._algorithm(runner)
        schedule = algorithm.schedule
        if algorithm.sequential:
            algorithm.serve(schedule.stage)
        progress = schedule.moments().get(schedule.within)
        if progress is not None:
            self._prune(runner, progress)

    def complete(self, runner: Runner) -> None:
        """Prune to the target, also where the training was stopped before its
        last step."""
        if not self._algorithm(runner).schedule.finished:
            runner.logger.warning(
                'the training ended before the last step of pruning: what is left '
                'to remove is removed now, and the network did not train after it'
            )
            self._prune(runner, 1.0)

    def _write_small(self, runner: Runner) -> None:
        """The moving average of the weights, where an EMAHook keeps one."""
        with averaged(runner):
            super()._write_small(runner)

    def _prune(self, runner: Runner, progress: float) -> None:
        algorithm = self._algorithm(runner)
        batches = []
        with same_randomness():
            if algorithm.needs_batches:
                batches = take_batches(runner.train_dataloader, algorithm.batches)
            algorithm.prune(progress, batches)
        units = algorithm.mutator.units
        kept = sum(map(len, algorithm.mutator.selections))
        cost = algorithm.cost()
        amounts = ', '.join(
            f'{limit.measure.format(cost[limit.measure.name])} {limit.measure.noun} '
            f'({cost[limit.measure.name] / limit.full:.1%})'
            for limit in algorithm.budget
        )
        runner.logger.info(
            f'pruned before iteration {algorithm.schedule.iteration}: '
            f'{kept} of {sum(unit.num_channels for unit in units)} channels are left, '
            f'{amounts}'
        )


@contextmanager
def averaged(runner: Runner) -> Iterator[None]:
    """Inside, the model has the weights that its checkpoints have.

    Those of every EMAHook, which swaps them in by itself for validation and
    checkpoints, and for nothing else.
    """
    hooks = [hook for hook in runner.hooks if isinstance(hook, EMAHook)]
    for hook in hooks:
        hook._swap_ema_parameters()
    try:
        yield
    finally:
        for hook in hooks:
            hook._swap_ema_parameters()
