"""What every search does around MMEngine's training loop."""

from pathlib import Path
from typing import Any

import torch
from mmengine.dist import master_only
from mmengine.hooks import Hook
from mmengine.runner import Runner

from ..checkpoints import write_weights
from ..engine import shared_seed
from ..errors import ConfigError, TrainingError
from ..options import file_name
from ..registry import HOOKS
from ..subnet import Subnet
from .algorithm import PruningAlgorithm
from .mutator import Choice
from .optim import split_accumulations
from .recorder import Recorder, words_of

_WHAT_TO_DO = (
    'Nothing of this iteration is saved: resume from the last checkpoint '
    'with --resume. If it happens again, look for damaged samples, lower the '
    'learning rate (optim_wrapper.architecture.optimizer.lr), or clip '
    'gradients (optim_wrapper.architecture.clip_grad)'
)


class SearchHook(Hook):
    """Base of the methods' hooks: starts a search and writes its result.

    Args:
        name: The file is ``<METHOD>_SUBNET_<name>``; defaults to the target
            as a ratio of the full network, e.g. ``50PERCENT``. Of several
            targets each has a file, ``<METHOD>_SUBNET_<name>_50PERCENT``.
    """

    # After RuntimeInfoHook (VERY_HIGH), which knows the length; before
    # LoggerHook and CheckpointHook.
    priority = 'NORMAL'

    def __init__(self, name: str | None = None) -> None:
        file_name(f'{type(self).__name__}: name', name)
        self.name = name
        self.recorder: Recorder | None = None

    def before_run(self, runner: Runner) -> None:
        """Check that it is the one hook of the model's method.

        Raises:
            ConfigError: Naming the hook and the model.
        """
        model, kind = self._algorithm(runner), type(self).__name__
        if not isinstance(model, PruningAlgorithm):
            raise ConfigError(
                f'custom_hooks: {kind} belongs to a model that prunes, such as '
                f'mmdmcp.DMCP, but the model is a {type(model).__name__}: leave '
                'the hook out'
            )
        if not isinstance(self, HOOKS.get(model.hook)):
            raise ConfigError(
                f'custom_hooks: {kind} is not the hook of {type(model).__name__}, '
                f'which has one of its own: give {model.hook}'
            )
        if sum(isinstance(other, SearchHook) for other in runner.hooks) > 1:
            raise ConfigError(
                f'custom_hooks: {kind} is not the only hook of a method; leave one '
                'of them'
            )

    def before_train(self, runner: Runner) -> None:
        """Set the schedule to where the run is, and seed what is drawn.

        Weights that were loaded, not resumed from, may come from a search
        that was over.
        """
        algorithm = self._algorithm(runner)
        algorithm.schedule.set_length(runner.max_iters)
        algorithm.schedule.iteration = runner.iter
        if algorithm.sequential:
            algorithm.serve(algorithm.schedule.stage)
        if not runner.iter:  # a checkpoint to resume from brings its state
            algorithm.mutator.generator.manual_seed(shared_seed(runner))
        for option in split_accumulations(runner.optim_wrapper, runner.iter):
            runner.logger.warning(
                f'resumed at iteration {runner.iter}, in the middle of an '
                f'accumulation ({option}.accumulative_counts): '
                'gradients are not in checkpoints, so the next step lacks '
                'those of the iterations before. Save checkpoints at '
                'multiples of it to go on exactly'
            )

    def before_train_epoch(self, runner: Runner) -> None:
        """Begin to note where the search is: chains or gates have started."""
        if self.recorder is None:
            algorithm = self._algorithm(runner)
            stems = [self._stem(runner).name for _ in algorithm.each_budget()]
            self.recorder = Recorder(runner, algorithm, stems)
            self.recorder.look(runner.iter)

    def after_train_iter(
        self,
        runner: Runner,
        batch_idx: int,
        data_batch=None,
        outputs: dict | None = None,
    ) -> None:
        """Stop at a loss that is NaN or infinite, before it is saved; note and
        say from time to time where the search is.

        Raises:
            TrainingError: Naming the loss and what can be done.
        """
        for key, value in (outputs or {}).items():
            if isinstance(value, torch.Tensor) and not torch.isfinite(value).all():
                raise TrainingError(
                    f'{key} is {float(value)} at iteration {runner.iter}. {_WHAT_TO_DO}'
                )
        self._report_progress(runner)

    def _report_progress(self, runner: Runner) -> None:
        """To the log, and as curves to every backend of the visualizer."""
        done = runner.iter + 1
        found = self.recorder.look(done) if self.recorder is not None else []
        scalars: dict[str, float] = {}
        for tag, budget, now in found:
            scalars.update(now.scalars(tag))
            if now.moved:
                words = words_of(now, budget)
                runner.logger.info(
                    f'{done} of {runner.max_iters} iterations{tag and f", {tag}"}: '
                    f'{words}'
                )
        if scalars:
            # 'iter' as MMEngine's own curves of training have it.
            runner.visualizer.add_scalars({**scalars, 'iter': done}, step=done)

    def before_save_checkpoint(self, runner: Runner, checkpoint: dict) -> None:
        """Refuse to save weights that are NaN or infinite.

        The loss of this rank may be finite all the same: another rank's was
        not, and gradients are averaged; or only a gradient was not.

        Raises:
            TrainingError: Naming the weight and what can be done.
        """
        for name, value in self._algorithm(runner).named_parameters():
            if not torch.isfinite(value).all():
                raise TrainingError(
                    f'{name} is NaN or infinite after iteration {runner.iter}. '
                    f'{_WHAT_TO_DO}'
                )

    def warn_if_early(self, runner: Runner, consequence: str) -> bool:
        """Say so if something, such as an EarlyStoppingHook, ended the search.

        Args:
            runner: The runner.
            consequence: What it means for the result.

        Returns:
            Whether it ended early.
        """
        schedule = self._algorithm(runner).schedule
        early = schedule.iteration < schedule.max_iters
        if early:
            runner.logger.warning(
                f'the search was ended at iteration {schedule.iteration} of '
                f'{schedule.max_iters}: {consequence}'
            )
        return early

    def export(
        self, runner: Runner, choice: Choice | None = None, weights: dict | None = None
    ) -> None:
        """Write a subnet, and its weights beside it if they are given.

        Args:
            runner: The runner.
            choice: Its channels; the current ones by default.
            weights: State dict of the small network.

        Raises:
            CheckpointError: If the weights can't be written.
            SubnetError: If the subnet can't be written.
        """
        algorithm = self._algorithm(runner)
        subnet = algorithm.export_subnet(choice)
        self._write(runner, self._stem(runner), subnet, weights)

    def _stem(self, runner: Runner) -> Path:
        """The path of the subnet file of the budget in turn, without its suffix."""
        algorithm = self._algorithm(runner)
        name = algorithm.budget.label
        if self.name is not None:
            name = self.name + (algorithm.tag and f'_{algorithm.tag}')
        return Path(runner.work_dir) / f'{algorithm.method.upper()}_SUBNET_{name}'

    @staticmethod
    @master_only
    def _write(
        runner: Runner, path: Path, subnet: Subnet, weights: dict | None
    ) -> None:
        if weights is not None:
            weights = {name: value.cpu() for name, value in weights.items()}
            write_weights(f'{path}.pth', dict(state_dict=weights))
        subnet.save(f'{path}.yaml')
        if weights is not None:
            runner.logger.info(
                f'wrote {path}.yaml (subnet) and {path}.pth '
                '(its weights, to fine-tune from)'
            )

    @staticmethod
    def _algorithm(runner: Runner) -> Any:
        return getattr(runner.model, 'module', runner.model)
