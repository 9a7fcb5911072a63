"""What a training loop of one's own needs of a search."""

from collections.abc import Mapping
from typing import Any

import torch
from mmengine.optim import OptimWrapper
from torch import nn
from torch.nn.parallel import DataParallel, DistributedDataParallel

from ..cost.budget import Targets
from ..engine import SearchDistributed
from ..errors import CheckpointError, ConfigError, TrainingError
from ..methods import AnyModule, LossFn
from ..options import number
from ..plain.inputs import ExampleInputs, runner, sample_shape
from ..plain.prune import Pruned
from ..plain.tracing import cpu_copy, device_of


class Search:
    """Base of :class:`DMCP` and :class:`Gates`.

    Args:
        model: Any module; stays as it is, the search trains a copy.
        target: What the small model may cost, as for :func:`mmdmcp.prune`.
        example_inputs: What the model is called with, as there.
        steps: How often :meth:`step` will be called.
        loss_fn: Loss of a model on a batch, ``loss_fn(model, batch)``: a
            scalar, or a dict of scalars whose names contain "loss". It must
            call the model that it is given.
        seed: Decides what is drawn; the same on all ranks.
        **options: Those of the algorithm.

    Attributes:
        model (nn.Module): What is trained, on the device of the model that
            was given. It runs as the full network between steps.
        algorithm: The :class:`~mmdmcp.methods.PruningAlgorithm`, for all
            that is not here.

    Raises:
        ConfigError: If an option is missing, unknown or out of range.
        TargetError: If the target can't be read or reached.
        TraceError: If the model can't be traced or pruned.
    """

    algorithm_type: Any

    def __init__(
        self,
        model: nn.Module,
        target: Targets,
        example_inputs: ExampleInputs,
        *,
        steps: int,
        loss_fn: LossFn,
        seed: int = 0,
        **options: Any,
    ) -> None:
        number('steps', steps, low=1, whole=True)
        if not callable(loss_fn):
            raise ConfigError('loss_fn: give a function, loss_fn(model, batch)')
        if isinstance(model, (DistributedDataParallel, DataParallel)):
            raise ConfigError(
                f'model: a {type(model).__name__} wraps the model. Give model.module: '
                'the search averages gradients over the ranks itself'
            )
        self.model = cpu_copy(model).train()
        architecture = AnyModule(
            self.model,
            loss_fn,
            sample_shape(example_inputs),
            runner(self.model, example_inputs, 'cpu'),
        )
        self.algorithm = self.algorithm_type(
            architecture=architecture, target=target, **options
        )
        self.algorithm.input_shape = architecture.input_shape
        self.algorithm.schedule.set_length(steps)
        self.algorithm.mutator.generator.manual_seed(seed)
        self._wrappers: dict[str, OptimWrapper] = {}
        self._alike = False
        self.algorithm.to(device_of(model))

    # ---- what is learned ---------------------------------------------

    def parameters(self) -> list[nn.Parameter]:
        """What decides which channels stay, for an optimiser of its own.

        The weights are ``search.model.parameters()``.
        """
        return list(self.algorithm.mutator.parameters())

    def optimizer(self, lr: float | None = None) -> torch.optim.Optimizer:
        """The usual optimiser for :meth:`parameters`.

        Args:
            lr: Its rate; by default one that suits the number of steps.
        """
        raise NotImplementedError

    # ---- training ----------------------------------------------------

    @property
    def iteration(self) -> int:
        """Steps done."""
        return self.algorithm.schedule.iteration

    @property
    def steps(self) -> int:
        """Steps that the search has."""
        return self.algorithm.schedule.max_iters

    def step(
        self,
        batch: Any,
        weights: torch.optim.Optimizer | OptimWrapper,
        choice: torch.optim.Optimizer | OptimWrapper,
    ) -> dict[str, float]:
        """One iteration: forward, backward, steps of the optimisers.

        In a job of several ranks each gives its own batch; gradients are
        averaged.

        Args:
            batch: What ``loss_fn`` takes.
            weights: Optimiser of ``search.model.parameters()``. One of
                MMEngine's wrappers brings accumulation, clipping and
                mixed precision.
            choice: Optimiser of :meth:`parameters`.

        Returns:
            Losses and costs, to log.

        Raises:
            ConfigError: If an optimiser does not train what it should, or
                all steps are done.
            TrainingError: If a loss is NaN or infinite, or the model in
                eval mode.
        """
        schedule = self.algorithm.schedule
        if self.iteration >= self.steps:
            raise ConfigError(
                f'the search has made its {self.steps} steps: call finish(), or '
                'begin it with more'
            )
        if not self.model.training:
            raise TrainingError(
                'search.model is in eval mode: call search.model.train() before a step'
            )
        self._join()
        wrappers = dict(
            architecture=self._wrapped(
                'weights', weights, list(self.model.parameters())
            ),
            mutator=self._wrapped('choice', choice, self.parameters()),
        )
        log = self.algorithm.train_step(batch, wrappers)
        names = list(log)
        values = torch.stack([log[name].detach().double() for name in names]).tolist()
        for name, value in zip(names, values):
            if value != value or abs(value) == float('inf'):
                raise TrainingError(
                    f'{name} is {value} at step {schedule.iteration}. Begin again, or '
                    'from your last checkpoint, with a lower learning rate or '
                    'clipped gradients'
                )
        return dict(zip(names, values))

    def _join(self) -> None:
        """All ranks start from the first one's weights; and the chains or gates
        are where the model is."""
        device = device_of(self.model)
        self.algorithm.mutator.to(device)
        if not self._alike:
            SearchDistributed(self.algorithm)
            self._alike = True

    def _wrapped(
        self, argument: str, optimizer: Any, parameters: list[nn.Parameter]
    ) -> OptimWrapper:
        """An optimiser as algorithms step it, the same wrapper each time."""
        wrapper = self._wrappers.get(argument)
        if wrapper is not None and optimizer in (wrapper, wrapper.optimizer):
            return wrapper
        wrapper = (
            optimizer
            if isinstance(optimizer, OptimWrapper)
            else OptimWrapper(optimizer)
        )
        trained = {id(p) for group in wrapper.param_groups for p in group['params']}
        if not trained & {id(p) for p in parameters}:
            source = 'search.model.parameters()'
            if argument == 'choice':
                source = 'search.parameters(), or take search.optimizer()'
            raise ConfigError(
                f'{argument}: the optimiser trains nothing of the search: make it '
                f'of {source}'
            )
        wrapper.schedule = self.algorithm.schedule
        if argument == 'choice' and all(p.grad is None for p in parameters):
            # A step without gradients changes nothing; torch warns when a
            # scheduler moves before its optimiser, and chains idle at first.
            wrapper.optimizer.step()
        self._wrappers[argument] = wrapper
        return wrapper

    # ---- results -----------------------------------------------------

    def pruned(self, choice: Any = None, model: nn.Module | None = None) -> Pruned:
        """The small network of a choice of channels, in training mode.

        Args:
            choice: As for the algorithm's ``set_widths``; by default the
                current channels.
            model: The small model, if it is there already.
        """
        algorithm = self.algorithm
        subnet = algorithm.export_subnet(choice)
        small = algorithm.cut(choice) if model is None else model
        before = algorithm.cost_of('max')
        after = {name: int(subnet.cost[name]) for name in before}
        return Pruned(small.train(), subnet, before, after)

    # ---- state -------------------------------------------------------

    def state_dict(self) -> dict[str, Any]:
        """All that a search needs to go on exactly, beside the optimisers'
        states: weights, chains or gates, what is drawn next, steps done."""
        return dict(
            model=self.model.state_dict(),
            mutator=self.algorithm.mutator.state_dict(),
            schedule=self.algorithm.schedule.state(),
        )

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on where :meth:`state_dict` was taken.

        Args:
            state: Of a search of the same model, target and options.

        Raises:
            CheckpointError: If it is something else.
        """
        missing = {'model', 'mutator', 'schedule'} - set(state)
        if missing:
            raise CheckpointError(
                f'state: it has no {sorted(missing)[0]!r}: give what state_dict() '
                'returned'
            )
        try:
            self.model.load_state_dict(state['model'])
            self.algorithm.mutator.load_state_dict(state['mutator'])
        except RuntimeError as error:
            raise CheckpointError(
                f'state: it is of another model or method ({error})'
            ) from error
        self.algorithm.schedule.restore(state['schedule'])
