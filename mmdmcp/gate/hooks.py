"""What training with gates does around MMEngine's training loop."""

import torch
from mmengine.runner import Runner

from ..methods.pretrained import PretrainedHook
from ..options import refuse_unknown
from ..registry import HOOKS
from .schedule import GateSchedule


@HOOKS.register_module()
class GateHook(PretrainedHook):
    """Starts the gates and, at the end, cuts the closed channels out.

    Before training it puts the gates in place, prints what can be pruned
    and evaluates the pretrained network. After training it writes
    ``GATE_SUBNET_<name>.yaml``, with the small network's weights beside it
    as ``.pth``, into the work dir, evaluates the small network on its own
    and prints a table.

    Args:
        name: Name of the file; defaults to the target as a ratio of the
            full network, e.g. ``50PERCENT``. Of several targets each has a
            file, ``<name>_50PERCENT``, when it is reached.
    """

    row = 'gated'

    def __init__(self, name: str | None = None, **unknown) -> None:
        refuse_unknown(self, unknown)
        super().__init__(name)

    def before_train(self, runner: Runner) -> None:
        """Start the gates, unless the training was resumed."""
        super().before_train(runner)
        algorithm = self._algorithm(runner)
        schedule = algorithm.schedule
        schedule.require_order()
        if schedule.iteration:
            return
        algorithm.mutator.frozen = False
        algorithm.mutator.start()
        self.evaluate_pretrained(runner)
        algorithm.set_widths('open')
        each = ' of each target' * (schedule.stages > 1)
        runner.logger.info(
            f'{schedule.length} iterations{each}; the target tightens until '
            f'iteration {schedule.iteration_at(schedule.ramp)}, the open channels '
            f'are fixed at iteration {schedule.iteration_at(schedule.freeze)}'
        )
        _check_rate(runner, schedule)

    def complete(self, runner: Runner) -> None:
        """Fix the gates of a training that was ended before, at the target."""
        algorithm = self._algorithm(runner)
        if algorithm.mutator.frozen:
            self.warn_if_early(runner, 'the small network trained less than planned')
        else:
            self.warn_if_early(
                runner,
                'the gates were not fixed yet. They are now, at the target, and '
                'the network did not train after it: fine-tune the result',
            )
            algorithm.mutator.freeze(algorithm.budget, algorithm.tolerance)


#: How far a gate, 1 on average at the start, should be able to go while the
#: target tightens: enough to sink, return and sink again.
LEAST_WAY, MOST_WAY = 2, 8


def _check_rate(runner: Runner, schedule: GateSchedule) -> None:
    """Warn of a rate that was made for a training of another length.

    A step of Adam has the size of its rate, and gates start at 1 on
    average, so rate times iterations is how far one can go.
    """
    optimizer = runner.optim_wrapper['mutator'].optimizer
    ramp = schedule.iteration_at(schedule.ramp)
    if not isinstance(optimizer, torch.optim.Adam) or ramp < 1:
        return
    rate = optimizer.param_groups[0]['lr']
    if not LEAST_WAY <= rate * ramp <= MOST_WAY:
        runner.logger.warning(
            f'gates start at 1 on average and can move {rate * ramp:.2g} in '
            f'the {ramp} iterations in which the target tightens; '
            f'{LEAST_WAY} to {MOST_WAY} lets them sink, return and sink '
            'again: set '
            f'optim_wrapper.mutator.optimizer.lr={5 / ramp:.2g}'
        )
