"""Trainable gates: prune a pretrained network while it is fine-tuned."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from mmengine.optim import OptimWrapper, OptimWrapperDict
from torch import Tensor, nn

from ..errors import ConfigError, TargetError
from ..methods import PruningAlgorithm, accumulate, finish
from ..methods.algorithm import COUNTED
from ..options import number, refuse_unknown
from ..registry import MODELS
from .mutator import GateChannelMutator
from .schedule import GateSchedule

#: What a target may count: the option, and its name in costs.
MEASURES = {'flops': 'macs', 'params': 'params'}


@MODELS.register_module()
class TrainableGate(PruningAlgorithm):
    """Tunes the weights of a pretrained model and a gate on every channel.

    Loss = task + ``budget_weight`` * |cost / full cost - target share|: the
    cost of the open channels follows a target that tightens. At ``freeze``
    the open channels are chosen for good, within ``tolerance`` of the
    target, and the weights train on without the others.

    Args:
        architecture: The model to prune: a config of any OpenMMLab package,
            or a module. Its pretrained weights come from its ``init_cfg``
            or from the run's ``load_from``.
        target: Cost to end at: ``'2.2G'``, ``'211M'``, ``'50%'`` of the
            full model, or a number.
        cost: What the target counts: ``'flops'`` (multiply-accumulates) or
            ``'params'``.
        mutator: Config of a :class:`GateChannelMutator`.
        input_shape: Channels, height and width that costs are computed for.
        budget_weight: lambda.
        ramp: When the target is fully tightened: a share of the training
            (float) or an iteration (int).
        freeze: When the gates stop training, in the same way.
        tolerance: Accepted distance of the result from the target, as a
            share of it.
        data_preprocessor: For the architecture, if it has none.
        init_cfg: As in MMEngine.

    Raises:
        ConfigError: If an option is missing, unknown or out of range.
        TargetError: If the target can't be read or reached.
        TraceError: If the model can't be traced or pruned.
    """

    method = 'gate'
    default_mutator = 'mmdmcp.GateChannelMutator'
    mutator: GateChannelMutator
    schedule: GateSchedule

    def __init__(
        self,
        architecture: dict | nn.Module | None = None,
        target: str | float | None = None,
        cost: str = 'flops',
        mutator: dict | None = None,
        input_shape: Sequence[int] = (3, 224, 224),
        budget_weight: float = 4.0,
        ramp: int | float = 0.4,
        freeze: int | float = 0.6,
        tolerance: float = 0.01,
        data_preprocessor: dict | None = None,
        init_cfg: dict | None = None,
        **unknown,
    ) -> None:
        refuse_unknown(self, unknown)
        if cost not in tuple(MEASURES):
            raise ConfigError(f'cost={cost!r}; choose from {tuple(MEASURES)}')
        number('budget_weight', budget_weight, above=0)
        number('tolerance', tolerance, above=0, below=1)
        super().__init__(
            architecture,
            target,
            MEASURES[cost],
            mutator,
            GateSchedule(ramp, freeze),
            input_shape,
            data_preprocessor,
            init_cfg,
        )
        self.budget_weight = budget_weight
        self.tolerance = tolerance
        self._check_target()

    def _check_target(self) -> None:
        least = self.mutator.cost_of(self.mutator.choose('min'))[self.measure]
        if self.target < least:
            raise TargetError(
                f'the target of {self.target / 1e6:,.3g} M '
                f"{COUNTED[self.measure]} can't be reached: with one "
                f'channel left in each of the {len(self.mutator.units)} '
                f'units the network has {least / 1e6:,.3g} M. Raise the '
                'target'
            )

    # ---- what users ask ----------------------------------------------

    def expected_cost(self) -> Tensor:
        """Cost of the open channels in what ``cost`` counts, scalar,
        differentiable in the gates."""
        return self.mutator.expected_cost(self.measure)

    # ---- the model's usual interface ---------------------------------

    def forward(
        self, inputs: Tensor, data_samples: list | None = None, mode: str = 'tensor'
    ):
        """The architecture's forward, with its gates."""
        with self._gated():
            return self.architecture(inputs, data_samples, mode=mode)

    def val_step(self, data: dict | tuple | list) -> list:
        """Predictions with the gates."""
        with self._gated():
            return self.architecture.val_step(data)

    def test_step(self, data: dict | tuple | list) -> list:
        """Predictions with the gates."""
        with self._gated():
            return self.architecture.test_step(data)

    @contextmanager
    def _gated(self, values: Tensor | None = None) -> Iterator[None]:
        """The architecture runs with these values of its gates; None: as
        the mutator applies them."""
        try:
            if values is None:
                self.mutator.apply_gates()
            else:
                rows = zip(self.mutator.units, values)
                self.mutator.supernet.scale(
                    [row[: u.num_channels] for u, row in rows], open_only=True
                )
            yield
        finally:
            self.mutator.release()

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
        self.schedule.require_length()
        weights, gates = (optim_wrapper['architecture'], optim_wrapper['mutator'])
        if self.schedule.freezes and not self.mutator.frozen:
            self.mutator.freeze(self.measure, self.target, self.tolerance)
        data = self.data_preprocessor(data, True)
        values = self.mutator.values()
        # Backward stops at the leaf and goes on from it once: with
        # activation checkpointing it comes by in pieces.
        leaf = values.detach().requires_grad_(values.requires_grad)
        with weights.optim_context(self), self._gated(leaf):
            loss, log = self.parse_losses(self.architecture(**data, mode='loss'))
            # Inside: a recomputed forward (activation checkpointing) must
            # meet what the first one met.
            accumulate(weights, loss)
        share = self.expected_cost() / self.full_cost
        aim = self.schedule.fraction(self.target / self.full_cost)
        if not self.mutator.frozen:
            pull = self.budget_weight * (share - aim).abs()
            if leaf.grad is not None:
                slope = _unscaled(leaf.grad, weights)
                if getattr(gates, 'loss_scaler', None) is None:
                    # The weights' scaler skips the step of an overflow; no
                    # one does it for the gates, which would be no numbers
                    # from then on.
                    slope = slope.nan_to_num(0.0, 0.0, 0.0)
                pull = pull + (values * slope).sum()
            accumulate(gates, pull)
        finish(weights, self.architecture.parameters())
        if not self.mutator.frozen:
            finish(gates, [self.mutator.gates])
        self.schedule.advance()
        log.update(
            {
                'gate/cost': share.detach(),
                'gate/target': loss.new_tensor(aim),
            }
        )
        return log


def _unscaled(gradient: Tensor, wrapper: OptimWrapper) -> Tensor:
    """A gradient as it is without what a wrapper multiplies losses by.

    Each wrapper has a loss scaler (mixed precision) and a number of
    iterations to accumulate, but there is one backward pass for both.
    """
    factor = wrapper.scale_loss(gradient.new_ones(()))
    scaler = getattr(wrapper, 'loss_scaler', None)
    return gradient / (factor if scaler is None else scaler.scale(factor))
