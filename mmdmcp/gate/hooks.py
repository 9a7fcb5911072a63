"""What training with gates does around MMEngine's training loop."""

import torch
from mmengine.runner import Runner

from ..checkpoints import compare, initialisers, is_pretrained, weights_of
from ..engine import average_statistics, evaluate, same_randomness
from ..errors import CheckpointError
from ..methods import SearchHook
from ..modes import eval_mode
from ..options import check_hook, file_name, refuse_unknown
from ..registry import HOOKS
from ..report import network_table, preflight_table
from .algorithm import TrainableGate
from .schedule import GateSchedule


@HOOKS.register_module()
class GateHook(SearchHook):
    """Starts the gates and, at the end, cuts the closed channels out.

    Before training it puts the gates in place, prints what can be pruned
    and evaluates the pretrained network. After training it writes
    ``GATE_SUBNET_<name>.yaml``, with the small network's weights beside it
    as ``.pth``, into the work dir, evaluates the small network on its own
    and prints a table.

    Args:
        name: Name of the file; defaults to the target as a share of the
            full network, e.g. ``50PERCENT``.
    """

    prefix = 'GATE_SUBNET'

    def __init__(self, name: str | None = None, **unknown) -> None:
        refuse_unknown(self, unknown)
        file_name('GateHook: name', name)
        super().__init__(name)
        self._pretrained: dict[str, float] = {}

    # ---- before ------------------------------------------------------

    def before_run(self, runner: Runner) -> None:
        """Check that the model is one with gates."""
        check_hook(self, runner, TrainableGate)

    def before_train(self, runner: Runner) -> None:
        """Start the gates, unless the training was resumed."""
        super().before_train(runner)
        algorithm = self._algorithm(runner)
        schedule = algorithm.schedule
        schedule.require_order()
        if schedule.iteration:
            return
        algorithm.mutator.frozen = False
        if not _has_weights(runner, algorithm):
            runner.logger.warning(
                'the config names no pretrained weights. Unless the model '
                'brings its own, the gates start from a network with random '
                'weights: give it others with load_from=CHECKPOINT, or with '
                "model.architecture.init_cfg=dict(type='Pretrained', "
                'checkpoint=CHECKPOINT)'
            )
        algorithm.mutator.start()
        runner.logger.info('\n' + preflight_table(algorithm))
        runner.logger.info(
            f'{runner.max_iters} iterations; the target tightens until '
            f'iteration {schedule.when(schedule.ramp)}, the open channels '
            f'are fixed at iteration {schedule.when(schedule.freeze)}'
        )
        _check_rate(runner, schedule)
        algorithm.set_widths('max')
        self._pretrained = self._evaluate(runner, algorithm)
        algorithm.set_widths('open')

    # ---- during ------------------------------------------------------

    def before_save_checkpoint(self, runner: Runner, checkpoint: dict) -> None:
        """Keep the pretrained network's metrics for a resumed training."""
        super().before_save_checkpoint(runner, checkpoint)
        checkpoint['pretrained_metrics'] = dict(self._pretrained)

    def after_load_checkpoint(self, runner: Runner, checkpoint: dict) -> None:
        """Restore these metrics, and check that the weights fit the network.

        MMEngine loads what fits and logs the rest; on a network whose weights
        are still random, gates would prune noise.

        Raises:
            CheckpointError: If nothing fits, or the network is of other
                widths.
        """
        self._pretrained = checkpoint.get('pretrained_metrics', {})
        weights = {
            name.removeprefix('architecture.'): value
            for name, value in weights_of(checkpoint).items()
        }
        algorithm = self._algorithm(runner)
        fit = compare(algorithm.architecture, weights)
        unfit = fit.missing + fit.mismatched
        if not fit.fitting:
            raise CheckpointError(
                f'{runner._load_from}: none of its weights is one of the '
                f"network's ({', '.join(unfit[:2])}, ...). Give a "
                'checkpoint of the network that is pruned'
            )
        # A head for other classes may be new; what has gates may not.
        units = [unit.name for unit in algorithm.mutator.units]
        other = [n for n in units if f'{n}.weight' in fit.mismatched]
        if other:
            raise CheckpointError(
                f'{runner._load_from}: {len(other)} of the {len(units)} '
                'layers that get gates have other widths there '
                f"({', '.join(other[:3])}): it is a smaller network's, or "
                "another one's. Give a checkpoint of the full network, or "
                'its config as model.architecture'
            )
        if unfit:
            runner.logger.warning(
                f'{runner._load_from} lacks {len(unfit)} of the '
                f'{len(unfit + fit.fitting)} weights of the network, or has '
                f'them in another shape: {", ".join(unfit[:3])}. These '
                'start at random'
            )

    # ---- after -------------------------------------------------------

    def after_train(self, runner: Runner) -> None:
        """Cut, write, evaluate, compare."""
        algorithm = self._algorithm(runner)
        # So far every rank has those of its own samples.
        average_statistics(algorithm.architecture)
        cost = algorithm.cost()[algorithm.measure]
        gap = abs(cost / algorithm.target - 1)
        if gap > algorithm.tolerance:
            runner.logger.warning(
                f'the result costs {cost / 1e6:.3f} M, {gap:.1%} from the '
                f'target of {algorithm.target / 1e6:.3f} M: no channel that '
                'could be opened or closed, nor one of each, brings it '
                'closer'
            )
        net = algorithm.cut()
        self._write(
            runner,
            algorithm.export_subnet(),
            algorithm.target / algorithm.full_cost,
            net.state_dict(),
        )
        full = algorithm.mutator.cost_of(algorithm.mutator.choose('max'))
        rows = [
            ('pretrained', full, self._pretrained),
            ('gated', algorithm.cost(), self._evaluate(runner, algorithm)),
            ('small', algorithm.cost(), self._evaluate(runner, net)),
        ]
        runner.logger.info('\n' + network_table(rows))

    @staticmethod
    def _evaluate(runner: Runner, model) -> dict[str, float]:
        """Validation metrics; none where the run has no validation."""
        loop = runner.val_loop
        if loop is None:
            return {}
        with same_randomness(), eval_mode(model):
            return evaluate(model, loop.dataloader, loop.evaluator)


#: How far a gate, 1 on average at the start, should be able to go while the
#: target tightens: enough to sink, return and sink again.
LEAST_WAY, MOST_WAY = 2, 8


def _check_rate(runner: Runner, schedule: GateSchedule) -> None:
    """Warn of a rate that was made for a training of another length.

    A step of Adam has the size of its rate, and gates start at 1 on
    average, so rate times iterations is how far one can go.
    """
    optimizer = runner.optim_wrapper['mutator'].optimizer
    ramp = schedule.when(schedule.ramp)
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


def _has_weights(runner: Runner, algorithm) -> bool:
    """Whether the run was given weights to start from."""
    return runner._load_from is not None or any(
        is_pretrained(entry)
        for module in algorithm.modules()
        for entry in initialisers(getattr(module, 'init_cfg', None))
    )
