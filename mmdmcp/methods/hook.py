"""What every search does around MMEngine's training loop."""

from pathlib import Path

import torch
from mmengine.dist import master_only
from mmengine.hooks import Hook
from mmengine.runner import Runner

from ..checkpoints import write_weights
from ..errors import TrainingError
from .optim import split_accumulations

_WHAT_TO_DO = (
    'Nothing of this iteration is saved: resume from the last checkpoint '
    'with --resume. If it happens again, look for damaged samples, lower the '
    'learning rate (optim_wrapper.architecture.optimizer.lr), or clip '
    'gradients (optim_wrapper.architecture.clip_grad)'
)


class SearchHook(Hook):
    """Base of the hooks that export a subnet when the search is over.

    Args:
        name: The file is ``<prefix>_<name>``; defaults to the target as a
            share of the full network, e.g. ``50PERCENT``.
    """

    # After RuntimeInfoHook (VERY_HIGH), which knows the length; before
    # LoggerHook and CheckpointHook.
    priority = 'NORMAL'
    prefix = 'SUBNET'

    def __init__(self, name: str | None = None) -> None:
        self.name = name

    def before_train(self, runner: Runner) -> None:
        """Set the clock to where the run is.

        Weights that were loaded, not resumed from, may come from a search
        that was over.
        """
        schedule = self._algorithm(runner).schedule
        schedule.set_length(runner.max_iters)
        schedule.iteration = runner.iter
        for part in split_accumulations(runner.optim_wrapper, runner.iter):
            runner.logger.warning(
                f'resumed at iteration {runner.iter}, in the middle of an '
                f'accumulation (optim_wrapper.{part}.accumulative_counts): '
                'gradients are not in checkpoints, so the next step lacks '
                'those of the iterations before. Save checkpoints at '
                'multiples of it to go on exactly'
            )

    def after_train_iter(
        self,
        runner: Runner,
        batch_idx: int,
        data_batch=None,
        outputs: dict | None = None,
    ) -> None:
        """Stop at a loss that is not a number, before it is saved.

        Raises:
            TrainingError: Naming the loss and what can be done.
        """
        for key, value in (outputs or {}).items():
            if isinstance(value, torch.Tensor) and not torch.isfinite(value).all():
                raise TrainingError(
                    f'{key} is {float(value)} at iteration {runner.iter}. {_WHAT_TO_DO}'
                )

    def before_save_checkpoint(self, runner: Runner, checkpoint: dict) -> None:
        """Refuse to save weights that are not numbers.

        The loss of this rank may be finite all the same: another rank's was
        not, and gradients are averaged; or only a gradient was not.

        Raises:
            TrainingError: Naming the weight and what can be done.
        """
        for name, value in self._algorithm(runner).named_parameters():
            if not torch.isfinite(value).all():
                raise TrainingError(
                    f'{name} is no number any more after iteration '
                    f'{runner.iter}. {_WHAT_TO_DO}'
                )

    @master_only
    def _write(
        self, runner: Runner, subnet, share: float, weights: dict | None
    ) -> None:
        """Write the subnet, and its weights beside it if they are given.

        Args:
            runner: The runner.
            subnet: The :class:`~mmdmcp.subnet.Subnet`.
            share: The target as a share of the full network.
            weights: State dict of the small network.

        Raises:
            CheckpointError: If the weights can't be written.
            SubnetError: If the subnet can't be written.
        """
        name = self.name if self.name is not None else f'{100 * share:.3g}PERCENT'
        path = Path(runner.work_dir) / f'{self.prefix}_{name}'
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
    def _algorithm(runner: Runner):
        return getattr(runner.model, 'module', runner.model)
