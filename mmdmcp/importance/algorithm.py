"""Prune a pretrained network by importance, in one shot or in steps."""

from collections.abc import Sequence
from typing import Any

import torch
from mmengine.optim import OptimWrapper
from torch import Tensor, nn

from ..cost.budget import Targets
from ..engine.distributed import average
from ..methods import PruningAlgorithm, accumulate, finish
from ..options import number, refuse_unknown
from ..ranking import taylor_saliency
from ..registry import MODELS
from .mutator import ImportanceChannelMutator
from .schedule import ImportanceSchedule


@MODELS.register_module()
class ImportancePruning(PruningAlgorithm):
    """Removes the least important channels of a pretrained model, and tunes
    what is left.

    Channels of all units are compared, and the least important ones removed
    until the cost is at the target: all at once before the first
    iteration, or in ``steps`` between which the network trains. It runs
    without the removed channels from then on, and is as fast as it is
    small. Of several targets each has an equal part of the training like
    that, and goes on from the network of the one before.

    Args:
        architecture: The model to prune: a config of any OpenMMLab package,
            or a module. Its pretrained weights come from its ``init_cfg``
            or from the run's ``load_from``.
        target: Cost to end at, in multiply-accumulates: ``'2.2G'``,
            ``'211M'``, ``'50%'`` of the full model, or a number; of
            parameters, ``dict(params='10M')``; of several measures, all of
            which must hold, ``dict(flops='60%', params='50%')``. A list of
            such, from the largest to the smallest, for several subnets.
        mutator: Config of an :class:`ImportanceChannelMutator`.
        input_shape: Channels, height and width that costs are computed for.
        steps: In how many steps channels are removed; 1 is one shot.
        until: When the last of several steps is made: a ratio of the
            training (float) or an iteration (int).
        batches: Training batches that ``criterion='taylor'`` takes gradients
            from, at each step.
        tolerance: Accepted distance of the result from the target, as a
            ratio of it.
        data_preprocessor: For the architecture, if it has none.
        init_cfg: As in MMEngine.
        profile: File that ``mmdmcp profile`` wrote, for a target of latency,
            ``dict(latency='3.5ms')`` or ``dict(latency='60%')``.

    Raises:
        ConfigError: If an option is missing, unknown or out of range.
        TargetError: If the target can't be read or reached.
        TraceError: If the model can't be traced or pruned.
    """

    method = 'importance'
    default_mutator = 'mmdmcp.ImportanceChannelMutator'
    hook = 'mmdmcp.ImportanceHook'
    trains_mutator = False
    starts_pretrained = True
    several_targets = 'descending'
    mutator: ImportanceChannelMutator
    schedule: ImportanceSchedule

    def __init__(
        self,
        architecture: dict | nn.Module | None = None,
        target: Targets | None = None,
        mutator: dict | None = None,
        input_shape: Sequence[int] = (3, 224, 224),
        steps: int = 1,
        until: int | float = 0.5,
        batches: int = 16,
        tolerance: float = 0.01,
        data_preprocessor: dict | None = None,
        init_cfg: dict | None = None,
        profile: str | None = None,
        **unknown,
    ) -> None:
        refuse_unknown(self, unknown)
        number('batches', batches, low=1, whole=True)
        super().__init__(
            architecture,
            target,
            mutator,
            ImportanceSchedule(steps, until),
            input_shape,
            tolerance,
            data_preprocessor,
            init_cfg,
            profile,
        )
        self.batches = batches

    # ---- pruning -----------------------------------------------------

    @property
    def needs_batches(self) -> bool:
        """Whether :meth:`prune` takes gradients from batches."""
        return self.mutator.criterion == 'taylor'

    def prune(self, progress: float = 1.0, batches: Sequence[object] = ()) -> None:
        """Remove channels until a part of the way to the target is gone.

        Args:
            progress: That part: 1 goes to the target.
            batches: As a data loader gives them; see :attr:`needs_batches`.
                Those of all ranks count.
        """
        saliency = None
        if self.needs_batches:
            saliency = taylor_saliency(self.architecture, batches, self._loss)
            average(saliency.values())
        turn = self.mutator.turn
        before = self.budgets[turn - 1].values if turn else self.cost_of('max')
        start = self.budget.used(before)
        used = start + (1 - start) * progress
        self.mutator.prune(self.budget, used, self.tolerance, saliency)

    def _loss(self, batch: Any) -> Tensor:
        data = self.data_preprocessor(batch, True)
        loss, _ = self.parse_losses(self.architecture(**data, mode='loss'))
        return loss

    # ---- training ----------------------------------------------------

    def train_step(
        self, data: dict | tuple | list, optim_wrapper: OptimWrapper
    ) -> dict[str, Tensor]:
        """One iteration of the network with the channels that are left.

        Args:
            data: A batch.
            optim_wrapper: Of the weights.

        Returns:
            Values to log.
        """
        self.schedule.require_length(self.hook)
        batch: Any = self.data_preprocessor(data, True)
        with optim_wrapper.optim_context(self):
            loss, log = self.parse_losses(self.architecture(**batch, mode='loss'))
            # Inside: a recomputed forward (activation checkpointing) must
            # meet what the first one met.
            accumulate(optim_wrapper, loss)
        finish(optim_wrapper, self.architecture.parameters())
        self.schedule.advance()
        cost, full = self.cost(), self.cost_of('max')
        for limit in self.budget:
            name = limit.measure.name
            log[f'importance/{name}'] = torch.tensor(cost[name] / full[name])
        return log
