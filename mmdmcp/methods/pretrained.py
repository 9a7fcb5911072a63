"""What methods do that prune a network which is trained already."""

from typing import Any

from mmengine.runner import Runner

from ..checkpoints import compare, initialisers, is_pretrained, weights_of
from ..engine import average_statistics, evaluate, same_randomness
from ..errors import CheckpointError
from ..modes import eval_mode
from ..report import network_table, preflight_table
from .hook import SearchHook
from .recorder import Found


class PretrainedHook(SearchHook):
    """Base of the hooks of methods that start from trained weights.

    A checkpoint must fit the network. Before training it says what can be
    pruned and evaluates the pretrained network; after training it writes
    the current channels, with the small network's weights, evaluates the
    small network on its own, and compares them in a table. Of several
    targets it does so for each when it is reached.

    Args:
        name: As in :class:`SearchHook`.

    Attributes:
        row (str): In the table, the full network that leaves channels out.
    """

    row = 'pruned'

    def __init__(self, name: str | None = None) -> None:
        super().__init__(name)
        self._pretrained: dict[str, float] = {}

    # ---- before ------------------------------------------------------

    def after_load_checkpoint(self, runner: Runner, checkpoint: dict) -> None:
        """Restore what was measured, and check that the weights fit.

        MMEngine loads what fits and logs the rest; on a network whose weights
        are still random, it is noise that would be pruned.

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
        # A head for other classes may be new; what is pruned may not.
        units = [unit.name for unit in algorithm.mutator.units]
        other = [n for n in units if f'{n}.weight' in fit.mismatched]
        if other:
            raise CheckpointError(
                f'{runner._load_from}: {len(other)} of the {len(units)} '
                'layers that are pruned have other widths there '
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

    def evaluate_pretrained(self, runner: Runner) -> None:
        """Say what can be pruned, and evaluate the pretrained network.

        The network runs with all channels afterwards.
        """
        algorithm = self._algorithm(runner)
        if not has_weights(runner, algorithm):
            runner.logger.warning(
                'the config names no pretrained weights. Unless the model '
                'brings its own, it is a network with random weights that is '
                'pruned: give it others with load_from=CHECKPOINT, or with '
                "model.architecture.init_cfg=dict(type='Pretrained', "
                'checkpoint=CHECKPOINT)'
            )
        runner.logger.info('\n' + preflight_table(algorithm))
        algorithm.set_widths('max')
        self._pretrained = self.evaluate(runner, algorithm)

    # ---- during ------------------------------------------------------

    def before_save_checkpoint(self, runner: Runner, checkpoint: dict) -> None:
        """Keep the pretrained network's metrics for a resumed training."""
        super().before_save_checkpoint(runner, checkpoint)
        checkpoint['pretrained_metrics'] = dict(self._pretrained)

    # ---- after -------------------------------------------------------

    def after_train_iter(
        self,
        runner: Runner,
        batch_idx: int,
        data_batch: Any = None,
        outputs: dict | None = None,
    ) -> None:
        """Write the network of a budget that is reached, before pruning goes on."""
        super().after_train_iter(runner, batch_idx, data_batch, outputs)
        algorithm = self._algorithm(runner)
        if not algorithm.sequential:
            return
        schedule, after = algorithm.schedule, algorithm.mutator.turn + 1
        if after < schedule.stages and schedule.iteration == schedule.begins(after):
            runner.logger.info(f'{algorithm.tag} is reached')
            self._write_small(runner)
            algorithm.serve(after)
            if self.recorder is not None:
                self.recorder.look(schedule.iteration, begins=True)

    def after_train(self, runner: Runner) -> None:
        """Cut, write, evaluate, compare."""
        algorithm = self._algorithm(runner)
        schedule, turn = algorithm.schedule, algorithm.mutator.turn
        left = algorithm.budgets[turn:]
        # Unless the training ended where one budget was reached, and the next
        # was not begun.
        if not turn or schedule.iteration > schedule.begins(turn):
            self.complete(runner)
            self._write_small(runner)
            left = left[1:]
        if left:
            runner.logger.warning(
                'the training ended before '
                f'{", ".join(budget.label for budget in left)} could be reached'
            )
        if algorithm.sequential and self.recorder is not None:
            record = self.recorder.record
            rows = [('pretrained', record.full.cost, self._pretrained)]
            rows += [
                (budget.name, chosen.cost, chosen.metrics)
                for budget in record.budgets
                for chosen in budget.candidates
            ]
            runner.logger.info('\n' + network_table(rows, 'One run, several budgets'))

    def complete(self, runner: Runner) -> None:
        """Choose the channels of a training that ended before it had."""

    def _write_small(self, runner: Runner) -> None:
        """Cut, write, evaluate, compare; for the budget in turn."""
        algorithm = self._algorithm(runner)
        # So far every rank has those of its own samples.
        average_statistics(algorithm.architecture)
        cost = algorithm.cost()
        gap = algorithm.budget.gap(cost)
        if gap > algorithm.tolerance:
            has = ' and '.join(
                f'{limit.measure.format(cost[limit.measure.name])} {limit.measure.noun}'
                for limit in algorithm.budget
            )
            runner.logger.warning(
                f'the result has {has}, {gap:.1%} from the target of '
                f'{algorithm.budget}: no channel that could be added or dropped '
                'brings it closer'
            )
        net = algorithm.cut()
        self.export(runner, weights=net.state_dict())
        rows = [
            ('pretrained', algorithm.cost_of('max'), self._pretrained),
            (self.row, cost, self.evaluate(runner, algorithm)),
            ('small', cost, self.evaluate(runner, net)),
        ]
        runner.logger.info('\n' + network_table(rows))
        if self.recorder is not None:
            self.recorder.full_metrics(self._pretrained)
            small = Found('small', algorithm.mutator.selections, cost, rows[2][2])
            self.recorder.finish([small], small)

    @staticmethod
    def evaluate(runner: Runner, model: Any) -> dict[str, float]:
        """Validation metrics; none where the run has no validation."""
        loop = runner.val_loop
        if loop is None:
            return {}
        with same_randomness(), eval_mode(model):
            return evaluate(model, loop.dataloader, loop.evaluator)


def has_weights(runner: Runner, algorithm: Any) -> bool:
    """Whether the run was given weights to start from."""
    return runner._load_from is not None or any(
        is_pretrained(entry)
        for module in algorithm.modules()
        for entry in initialisers(getattr(module, 'init_cfg', None))
    )
