"""A search on a table's network, that can be killed and goes on.

The algorithm is :class:`mmdmcp.DMCP` itself; only data and loop are made for
the benchmark. Rates are those of the shipped CIFAR-10 configs. Up to the
chains' first step neither the target nor the parametrisation enters, so the
searches of one seed share these iterations: the second one starts from the
first one's checkpoint, and ends as if it had made them itself.
"""

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from mmdmcp.dmcp import DMCPChannelMutator
from mmdmcp.dmcp.grid import WidthGrid
from mmdmcp.files import atomic_file
from mmdmcp.methods import SearchOptimWrapperConstructor
from mmdmcp.registry import MODELS

from .data import CIFAR10
from .plan import INPUT_SHAPE, Plan, Space, targets
from .tables import Table

_SAVE_EVERY = 50


class TableGrid(WidthGrid):
    """The widths of a table, and no others between them."""

    def __init__(self, table: Table) -> None:
        super().__init__()
        self._widths = {widths[-1]: widths for widths in table.candidates}

    def __call__(self, channels: int) -> tuple[int, ...]:
        """The table's widths of a position with so many channels."""
        return self._widths[channels]

    def steps(self, channels: int) -> tuple[int, ...]:
        """None between them."""
        return self(channels)


@MODELS.register_module(force=True)
class TableMutator(DMCPChannelMutator):
    """DMCP's mutator on a table's widths."""

    def __init__(self, table: Table, **options: Any) -> None:
        super().__init__(**options)
        self.grid = TableGrid(table)


class Meter:
    """Multiply-accumulates that training took: three times a forward pass,
    two times where no weight needs a gradient.

    Args:
        model: What runs.
        cost: Multiply-accumulates of the network as it runs now.
    """

    def __init__(self, model: nn.Module, cost: Callable[[], int]) -> None:
        self.macs = 0
        self._model, self._cost = model, cost
        self._weight = next(p for p in model.parameters() if p.requires_grad)

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Count what runs inside."""
        hook = self._model.register_forward_pre_hook(self._count, with_kwargs=True)
        try:
            yield
        finally:
            hook.remove()

    def state_dict(self) -> dict[str, int]:
        """For a checkpoint."""
        return dict(macs=self.macs)

    def load_state_dict(self, state: dict[str, int]) -> None:
        """Go on counting."""
        self.macs = state['macs']

    def _count(self, _module: nn.Module, args: tuple, options: dict) -> None:
        passes = 3 if self._weight.requires_grad else 2
        images = args[0] if args else options['inputs']
        self.macs += passes * scaled(self._cost(), images)


class Search:
    """A search that goes on where its checkpoint stands.

    Args:
        space: What is searched: a table's networks, or others.
        data: The images; None where it doesn't run.
        plan: How to search.
        folder: Where checkpoints are.
    """

    def __init__(
        self, space: Space, data: CIFAR10 | None, plan: Plan, folder: Path
    ) -> None:
        self.data, self.plan = data, plan
        device = torch.device('cpu') if data is None else data.device
        torch.manual_seed(plan.seed)
        model = space.model()
        options = dict(
            type='mmdmcp.DMCP',
            architecture=model.to(memory_format=torch.channels_last),
            target=targets(plan.share, space.full_macs),
            input_shape=INPUT_SHAPE,
            tolerance=space.tolerance,
            distillation=space.logits,
            mutator=space.mutator(plan.mutator),
        )
        self.algorithm = MODELS.build({**options, **plan.options}).to(device)
        self.algorithm.mutator.generator.manual_seed(plan.seed)
        self.algorithm.schedule.set_length(plan.iterations)
        self.wrappers = optimisers(self.algorithm, plan.rate, device)
        self.meter = Meter(
            self.algorithm.architecture, lambda: self.algorithm.cost()['macs']
        )
        self.start = self.algorithm.schedule.first_arch_iteration
        shared = f'weights_s{plan.seed}_b{plan.batch}_a{self.start}'
        if plan.anneal:
            shared += f'_of{plan.iterations}'
        if plan.size != INPUT_SHAPE[-1]:
            shared += f'_{plan.size}px'
        if self.algorithm.distillation is None:
            shared += '_labels'
        if self.algorithm.mutator.worth is not None:
            shared += '_pairs'  # which it has kept
        self.shared, self._own = folder / f'{shared}.pth', folder / f'{plan.name}.pth'

    def run(self, until: int | None = None) -> None:
        """Train to the end of the search, or up to an iteration."""
        algorithm, schedule = self.algorithm, self.algorithm.schedule
        until = self.plan.iterations if until is None else until
        self._resume(until)
        algorithm.train()
        while schedule.iteration < until:
            self._set_rates(schedule.iteration)
            batch = self.data.train_batch(
                self.plan.seed, schedule.iteration, self.plan.batch
            )
            with self.meter.watching():
                algorithm.train_step(batch, self.wrappers)
            if schedule.iteration % _SAVE_EVERY == 0 or schedule.iteration in (
                self.start,
                until,
            ):
                self._save()

    def _set_rates(self, iteration: int) -> None:
        """Cosines: of the weights as the plan says, of the chains from their
        first step on, to zero or, as in the release, to a fifth."""
        length, anneal = self.plan.iterations, self.plan.anneal
        last, span = (0.0, length) if anneal else (0.1, 2 * self.start)
        rates = dict(
            architecture=cosine(
                self.plan.weights_rate, last, min(1.0, iteration / span)
            ),
            mutator=cosine(
                self.plan.rate,
                0.0 if anneal else 0.2,
                max(0, iteration - self.start) / (length - self.start),
            ),
        )
        for part, rate in rates.items():
            self.wrappers[part].optimizer.param_groups[0]['lr'] = rate

    # ---- checkpoints -------------------------------------------------

    @property
    def checkpoint(self) -> Path:
        """Where its state of now is."""
        done = self.algorithm.schedule.iteration
        return self.shared if done <= self.start else self._own

    @property
    def weights(self) -> Path:
        """The checkpoint whose weights are those of now: the shared one, where
        they stop when the chains begin."""
        schedule = self.algorithm.schedule
        stopped = schedule.iteration_at(schedule.weights_stop) <= self.start
        return self.shared if stopped else self.checkpoint

    def _save(self) -> None:
        state = dict(
            model=self.algorithm.state_dict(),
            weights=self.wrappers['architecture'].state_dict(),
            chains=self.wrappers['mutator'].state_dict(),
            meter=self.meter.state_dict(),
        )
        path = self.checkpoint
        path.parent.mkdir(parents=True, exist_ok=True)
        with atomic_file(path) as file:
            torch.save(state, file)

    def _resume(self, until: int) -> None:
        # The own checkpoint is of the time after the chains' first step.
        paths = [self._own, self.shared] if until > self.start else [self.shared]
        path = next((p for p in paths if p.exists()), None)
        if path is None:
            return
        state = torch.load(path, weights_only=True, map_location='cpu')
        if path is self.shared:
            # How many chains there are, and where they start, depends on the
            # target.
            own = self.algorithm.mutator.state_dict(prefix='mutator.')
            state['model'] = {
                **{k: v for k, v in state['model'].items() if '.alpha' not in k},
                **{k: v for k, v in own.items() if '.alpha' in k},
            }
        self.algorithm.load_state_dict(state['model'])
        self.wrappers['architecture'].load_state_dict(state['weights'])
        if path is self._own:
            self.wrappers['mutator'].load_state_dict(state['chains'])
        self.meter.load_state_dict(state['meter'])


def scaled(macs: int, images: Tensor) -> int:
    """Multiply-accumulates of images ``[N, 3, H, W]``, of a network that takes
    ``macs`` for one of the tables' size: those of convolutions go with the
    number of pixels."""
    count, _, height, width = images.shape
    return macs * count * height * width // (INPUT_SHAPE[-2] * INPUT_SHAPE[-1])


def optimisers(algorithm: Any, rate: float, device: torch.device) -> Any:
    """The shipped optimisers, in bfloat16."""
    wrapper, momentum = half_precision(device), dict(momentum=0.9, nesterov=True)
    weights = dict(type='SGD', lr=0.1, weight_decay=5e-4, **momentum)
    chains = dict(type='SGD', lr=rate, **momentum)
    return SearchOptimWrapperConstructor(
        dict(
            architecture=dict(**wrapper, optimizer=weights),
            mutator=dict(**wrapper, optimizer=chains),
        )
    )(algorithm)


def half_precision(device: torch.device) -> dict[str, str]:
    """Config of the optimiser wrapper for bfloat16 on a device."""
    if device.type == 'cpu':
        return dict(type='mmdmcp.CPUAmpOptimWrapper')
    return dict(type='AmpOptimWrapper', dtype='bfloat16')


def cosine(first: float, ratio: float, done: float) -> float:
    """A rate that falls from ``first`` to ``ratio * first``."""
    return first * (ratio + (1 - ratio) * (1 + math.cos(math.pi * done)) / 2)
