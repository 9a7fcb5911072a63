"""DMCP: Differentiable Markov Channel Pruning (Guo et al., CVPR 2020)."""

from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext

import torch
from mmengine.optim import OptimWrapper, OptimWrapperDict
from torch import Tensor, nn
from torch.utils._pytree import tree_map

from ..cost.budget import Targets
from ..engine import frozen_statistics, frozen_weights
from ..engine.distributed import average
from ..errors import ConfigError, shown
from ..methods import (
    Leaves,
    PruningAlgorithm,
    accumulate,
    finish,
    gradient_scale,
)
from ..ops import SlicedLayer
from ..options import number, refuse_unknown
from ..registry import MODELS
from .budget import budgets_loss
from .distill import InPlaceDistillation
from .mutator import DMCPChannelMutator
from .schedule import SearchSchedule


@MODELS.register_module()
class DMCP(PruningAlgorithm):
    """Searches the widths of a model's layers for a target.

    An iteration trains the weights (stage 1: the widest, the narrowest and
    two sampled networks, one optimiser step), up to ``weights_stop``, and,
    from ``arch_start`` on, the chains (stage 2: one step, weights untouched).

    Of several targets each has chains of its own, and all share the weights:
    the sampled networks of stage 1 are drawn from the chains of one target
    after the other, and each step of stage 2 serves the next. Each chain's
    gradient is multiplied by the number of targets, so that its fewer steps
    go as far as those of a search of its own.

    Args:
        architecture: The model to prune: a config of any OpenMMLab package,
            or a module.
        target: Cost to end at, in multiply-accumulates: ``'2.2G'``,
            ``'211M'``, ``'50%'`` of the full model, or a number; of
            parameters, ``dict(params='10M')``; of several measures, all of
            which must hold, ``dict(flops='60%', params='50%')``. A list of
            such for several subnets, ``['70%', '50%', '30%']``.
        mutator: Config of a :class:`DMCPChannelMutator`.
        input_shape: Channels, height and width that costs are computed for.
        arch_start: When the chains begin to train: a ratio of the search
            (float), or an iteration (int).
        weights_stop: When the weights stop training, in the same way, but
            not before the chains begin. Where that is the same point, the
            chains judge weights that are as good as they get, and an iteration
            of theirs is one pass of the widest network.
        random_sampling: Probability that a sampled network of stage 1 has
            random widths rather than widths drawn from the chains: at the
            first step of the chains and at the last. Before, it is 1.
        budget_weight: Weight of the budget loss.
        dead_zone: The budget loss is zero between ``dead_zone * target``
            and the target. Below 1.
        on_budget: Whether the chains keep to the target instead of being
            drawn to it: steps leave the expected cost as it is, to first
            order, and a common shift makes up the rest. The budget loss is
            then only reported.
        tolerance: Accepted distance of the result from the target, as a
            ratio of it.
        distillation: Module whose output narrow networks learn from the
            widest one; ``'auto'`` finds the classifier; None lets every
            network learn from the labels.
        data_preprocessor: For the architecture, if it has none.
        init_cfg: As in MMEngine.
        profile: File that ``mmdmcp profile`` wrote, for a target of latency,
            ``dict(latency='3.5ms')`` or ``dict(latency='60%')``.

    Raises:
        ConfigError: If an option is missing, unknown or out of range.
        TargetError: If the target can't be read or reached.
        TraceError: If the model can't be traced or pruned.
    """

    method = 'dmcp'
    default_mutator = 'mmdmcp.DMCPChannelMutator'
    hook = 'mmdmcp.DMCPSearchHook'
    validated = ('max', 'min', 'expected')
    several_targets = 'together'
    fixed_options = (
        *PruningAlgorithm.fixed_options,
        'mutator.grid',
        'mutator.init',
        'mutator.parametrisation',
    )
    mutator: DMCPChannelMutator
    schedule: SearchSchedule

    def __init__(
        self,
        architecture: dict | nn.Module | None = None,
        target: Targets | None = None,
        mutator: dict | None = None,
        input_shape: Sequence[int] = (3, 224, 224),
        arch_start: int | float = 0.5,
        weights_stop: int | float = 1.0,
        random_sampling: tuple[float, float] = (1.0, 0.2),
        budget_weight: float = 0.1,
        dead_zone: float = 0.95,
        on_budget: bool = False,
        tolerance: float = 0.01,
        distillation: str | None = 'auto',
        data_preprocessor: dict | None = None,
        init_cfg: dict | None = None,
        profile: str | None = None,
        **unknown,
    ) -> None:
        refuse_unknown(self, unknown)
        # At 1 the loss is log|E - T| on both sides of the target, whose slope
        # has no bound: one step near the target ends every chain.
        number('dead_zone', dead_zone, above=0, below=1)
        number('budget_weight', budget_weight, above=0)
        if not isinstance(on_budget, bool):
            raise ConfigError(f'on_budget={shown(on_budget)}: give True or False')
        super().__init__(
            architecture,
            target,
            mutator,
            SearchSchedule(arch_start, random_sampling, weights_stop),
            input_shape,
            tolerance,
            data_preprocessor,
            init_cfg,
            profile,
        )
        self.budget_weight = budget_weight
        self.dead_zone = dead_zone
        self.on_budget = on_budget
        self.distillation = (
            None
            if distillation is None
            else InPlaceDistillation(self.architecture, distillation)
        )
        self.mutator.start(self.budgets)

    # ---- training ----------------------------------------------------

    def train_step(
        self, data: dict | tuple | list, optim_wrapper: OptimWrapperDict
    ) -> dict[str, Tensor]:
        """One iteration of the search.

        Args:
            data: A batch.
            optim_wrapper: ``architecture`` and ``mutator``, as built by
                :class:`~mmdmcp.methods.SearchOptimWrapperConstructor`.

        Returns:
            Values to log.
        """
        self.schedule.require_length(self.hook)
        weights, chains = (optim_wrapper['architecture'], optim_wrapper['mutator'])
        batch: dict = self.data_preprocessor(data, True)
        log: dict[str, Tensor] = {}
        if self.schedule.starts_chains:
            self.mutator.fit(self.budgets, self.tolerance)
        if self.schedule.trains_weights:
            log.update(self._train_weights(batch, weights))
        if self.schedule.trains_chains:
            log.update(self._train_chains(batch, chains))
        self.schedule.advance()
        self.serve(0)
        self.set_widths('max')
        return log

    def _train_weights(self, data: dict, wrapper: OptimWrapper) -> dict[str, Tensor]:
        """Stage 1: four networks, their gradients in one step.

        The widest learns from the labels, the others from it.
        """
        log: dict[str, Tensor] = {}
        distillation, teacher = self.distillation, None
        widths, losses = [], []
        for name, network in self._sandwich():
            widths.append(self.set_widths(network))
            with wrapper.optim_context(self), self._watched():
                if distillation is None or teacher is None:
                    loss, values = self._task_loss(data)
                    if distillation is not None:
                        teacher = distillation.take().detach()
                else:
                    self.architecture(**data, mode='tensor')
                    loss = distillation.loss(distillation.take(teacher), teacher)
            losses.append(loss.detach())
            accumulate(wrapper, loss)
            if name == 'max':
                log.update(values)
            else:
                log[f'loss_{name}'] = loss.detach()
        finish(wrapper, self.architecture.parameters())
        worth = self.mutator.worth
        if worth is not None and self.schedule.compares:
            sampled = torch.stack(losses[2:])
            average([sampled])
            worth.add(widths[2:], sampled)
        return log

    def _sandwich(self):
        """The four networks of an iteration: what logs and the mutator call
        them."""
        yield 'max', 'max'
        yield 'min', 'min'
        for place, name in enumerate(('sampled1', 'sampled2')):
            self.serve(2 * self.schedule.iteration + place)
            yield name, self.schedule.sampled_network(self.mutator.generator)

    def _train_chains(self, data: dict, wrapper: OptimWrapper) -> dict[str, Tensor]:
        """Stage 2: the widest network, scaled by the marginals.

        Batch statistics without a trace in the running ones; only the
        chains need gradients, and only they get any. Of several budgets, each
        step is of the next one's chains.
        """
        self.serve(self.schedule.iteration // wrapper._accumulative_counts)
        self.set_widths('max')
        leaves = Leaves(self.mutator.channel_scales())
        if _checkpoints(self.architecture):
            # A block that neither weights nor inputs give a gradient would
            # be run without one.
            data = dict(data, inputs=tree_map(_with_gradient, data['inputs']))
        with (
            wrapper.optim_context(self),
            frozen_weights(self.architecture),
            frozen_statistics(self.architecture),
            self.mutator.scaled(leaves.values),
        ):
            task, _ = self._task_loss(data)
            if task.requires_grad:  # it reads some unit's outputs
                accumulate(wrapper, task)
        reached = leaves.gradients()
        if reached:
            scales, gradients = zip(*reached)
            torch.autograd.backward(scales, gradients)
        expected = {
            limit.measure.name: self.mutator.expected_cost(limit.measure)
            for limit in self.budget
        }
        budget = budgets_loss(
            list(expected.values()), list(self.budget.values.values()), self.dead_zone
        )
        if not self.on_budget:
            accumulate(wrapper, self.budget_weight * budget)
        before = self.mutator.logits.detach().clone()
        kept = self.budget if self.on_budget else None
        turns = wrapper._accumulative_counts * len(self.budgets)
        share = min(1.0, turns / self.schedule.chain_iterations)
        if finish(
            wrapper,
            [self.mutator.logits],
            lambda: self.mutator.direct_gradient(
                kept, gradient_scale(wrapper) * share, len(self.budgets)
            ),
        ):
            self.mutator.project(before)
            if self.on_budget:
                self.mutator.hold(self.budget)
        log = {
            'loss': task,
            'budget_loss': budget,
            **{f'expected_{name}': cost for name, cost in expected.items()},
        }
        group = f'arch/{self.tag}'.rstrip('/')
        return {f'{group}/{name}': value.detach() for name, value in log.items()}

    def _task_loss(self, data: dict) -> tuple[Tensor, dict[str, Tensor]]:
        return self.parse_losses(self.architecture(**data, mode='loss'))

    def _watched(self) -> AbstractContextManager:
        """The prediction is noted inside, if there is distillation."""
        if self.distillation is None:
            return nullcontext()
        return self.distillation.watch(self.architecture)


def _checkpoints(model: nn.Module) -> bool:
    """Whether some part of a model is run again during backward: by its own
    option, or because MMEngine replaced its forward."""
    return any(
        getattr(module, 'with_cp', False)
        or not isinstance(vars(module).get('forward'), (type(None), SlicedLayer))
        for module in model.modules()
    )


def _with_gradient(value: object) -> object:
    """A tensor of numbers that needs a gradient, and is no leaf: it may be
    changed in place. Anything else as it is."""
    if isinstance(value, Tensor) and value.is_floating_point():
        return value.detach().requires_grad_().clone()
    return value
