"""Trainable gates: prune a pretrained network while it is fine-tuned."""

from collections.abc import Sequence
from contextlib import AbstractContextManager

import torch
from mmengine.optim import OptimWrapper, OptimWrapperDict
from torch import Tensor, nn

from ..cost.budget import Targets
from ..errors import ConfigError, shown
from ..methods import Leaves, PruningAlgorithm, accumulate, finish
from ..options import number, refuse_unknown
from ..registry import MODELS
from .mutator import GateChannelMutator
from .schedule import GateSchedule


@MODELS.register_module()
class TrainableGate(PruningAlgorithm):
    """Tunes the weights of a pretrained model and a gate on every channel.

    Loss = task + ``budget_weight`` * |cost / full cost - target ratio|: the
    cost of the open channels follows a target that tightens. At ``freeze``
    the open channels are chosen for good, within ``tolerance`` of the
    target, and the weights train on without the others. Of several targets
    each has an equal part of the training like that, and goes on from the
    network of the one before.

    Args:
        architecture: The model to prune: a config of any OpenMMLab package,
            or a module. Its pretrained weights come from its ``init_cfg``
            or from the run's ``load_from``.
        target: Cost to end at, in multiply-accumulates: ``'2.2G'``,
            ``'211M'``, ``'50%'`` of the full model, or a number; of
            parameters, ``dict(params='10M')``; of several measures, all of
            which must hold, ``dict(flops='60%', params='50%')``. A list of
            such, from the largest to the smallest, for several subnets.
        mutator: Config of a :class:`GateChannelMutator`.
        input_shape: Channels, height and width that costs are computed for.
        budget_weight: lambda.
        ramp: When the target is fully tightened: a ratio of the training, or
            of a target's part of it (float), or an iteration (int).
        freeze: When the gates stop training, in the same way.
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

    method = 'gate'
    default_mutator = 'mmdmcp.GateChannelMutator'
    hook = 'mmdmcp.GateHook'
    starts_pretrained = True
    several_targets = 'descending'
    mutator: GateChannelMutator
    schedule: GateSchedule

    def __init__(
        self,
        architecture: dict | nn.Module | None = None,
        target: Targets | None = None,
        mutator: dict | None = None,
        input_shape: Sequence[int] = (3, 224, 224),
        budget_weight: float = 4.0,
        ramp: int | float = 0.4,
        freeze: int | float = 0.6,
        tolerance: float = 0.01,
        data_preprocessor: dict | None = None,
        init_cfg: dict | None = None,
        profile: str | None = None,
        **unknown,
    ) -> None:
        if 'cost' in unknown:
            raise ConfigError(
                f'TrainableGate has no option cost={shown(unknown["cost"])} any more: '
                "what the target counts stands in it, as in target=dict(params='50%')"
            )
        refuse_unknown(self, unknown)
        number('budget_weight', budget_weight, above=0)
        super().__init__(
            architecture,
            target,
            mutator,
            GateSchedule(ramp, freeze),
            input_shape,
            tolerance,
            data_preprocessor,
            init_cfg,
            profile,
        )
        self.budget_weight = budget_weight

    def applied(self) -> AbstractContextManager:
        """The architecture runs with its gates, or the chosen channels."""
        return self.mutator.scaled(self.mutator.channel_scales())

    # ---- training ----------------------------------------------------

    def train_step(
        self, data: dict | tuple | list, optim_wrapper: OptimWrapperDict
    ) -> dict[str, Tensor]:
        """One iteration: one pass, one step of weights and gates together.

        It runs with the gates, also if :meth:`set_widths` has chosen channels.

        Args:
            data: A batch.
            optim_wrapper: ``architecture`` and ``mutator``, as built by
                :class:`~mmdmcp.methods.SearchOptimWrapperConstructor`.

        Returns:
            Values to log.
        """
        self.schedule.require_length(self.hook)
        weights, gates = (optim_wrapper['architecture'], optim_wrapper['mutator'])
        if self.sequential:
            self.serve(self.schedule.stage)
            if self.mutator.turn and not self.schedule.within:
                self.mutator.go_on()
        if self.schedule.freezes and not self.mutator.frozen:
            self.mutator.freeze(self.budget, self.tolerance)
        batch: dict = self.data_preprocessor(data, True)
        values = self.mutator.values()
        leaves = Leaves([values])
        gated = self.mutator.scaled(self.mutator.rows(leaves.values[0]))
        with weights.optim_context(self), gated:
            loss, log = self.parse_losses(self.architecture(**batch, mode='loss'))
            # Inside: a recomputed forward (activation checkpointing) must
            # meet what the first one met.
            accumulate(weights, loss)
        costs, aims, distance = self._distance()
        if not self.mutator.frozen:
            pull = self.budget_weight * distance.abs()
            for gate_values, gradient in leaves.gradients():
                slope = _unscaled(gradient, weights)
                if getattr(gates, 'loss_scaler', None) is None:
                    # The weights' scaler skips the step of an overflow; no
                    # one does it for the gates, which would be NaN from
                    # then on.
                    slope = slope.nan_to_num(0.0, 0.0, 0.0)
                pull = pull + (gate_values * slope).sum()
            accumulate(gates, pull)
        finish(weights, self.architecture.parameters())
        if not self.mutator.frozen:
            finish(gates, [self.mutator.gates])
        self.schedule.advance()
        for name, cost in costs.items():
            log[f'gate/{name}'] = cost.detach()
            log[f'gate/{name}_target'] = loss.new_tensor(aims[name])
        return log

    def _distance(self) -> tuple[dict[str, Tensor], dict[str, float], Tensor]:
        """How far the cost is from what is aimed at now.

        Returns:
            Costs and aims, ratios of the full network by the measures' names,
            and the largest difference between the two.
        """
        costs, aims = {}, {}
        turn = self.mutator.turn
        before = self.budgets[turn - 1].ratios if turn else {}
        for limit in self.budget:
            name = limit.measure.name
            costs[name] = self.mutator.expected_cost(limit.measure) / limit.full
            aims[name] = self.schedule.aim(limit.ratio, before.get(name, 1.0))
        differences = [costs[name] - aims[name] for name in costs]
        return costs, aims, torch.stack(differences).max()


def _unscaled(gradient: Tensor, wrapper: OptimWrapper) -> Tensor:
    """A gradient as it is without what a wrapper multiplies losses by.

    Each wrapper has a loss scaler (mixed precision) and a number of
    iterations to accumulate, but there is one backward pass for both.
    """
    factor = wrapper.scale_loss(gradient.new_ones(()))
    scaler = getattr(wrapper, 'loss_scaler', None)
    return gradient / (factor if scaler is None else scaler.scale(factor))
