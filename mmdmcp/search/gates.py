"""Trainable gates in a training loop of one's own."""

import logging
from typing import Any

import torch
from mmengine.logging import print_log
from torch import nn

from ..cost.budget import Target
from ..engine import average_statistics
from ..errors import TargetError, shown
from ..gate import TrainableGate
from ..methods import LossFn
from ..plain.inputs import ExampleInputs
from ..plain.prune import Pruned
from .loop import Search

# A gate starts at 1 on average; so far it can go until the target is tight.
_WAY = 5.0


class Gates(Search):
    """Finds out which channels a trained model can do without.

    Each step trains the weights and a gate on every channel. From ``freeze``
    on the open channels are fixed and the weights go on alone, so that
    nothing is left to fine-tune at the end.

    Args:
        model: A trained module; stays as it is, the search trains a copy.
        target: What the small model may cost, as for :func:`mmdmcp.prune`.
        example_inputs: What the model is called with, as there.
        steps: How often :meth:`step` will be called.
        loss_fn: Loss of a model on a batch, ``loss_fn(model, batch)``.
        seed: As of :class:`DMCP`; gates draw nothing.
        **options: Those of :class:`mmdmcp.gate.TrainableGate`, such as
            ``ramp``, ``freeze`` or ``mutator``.

    Raises:
        ConfigError: If an option is missing, unknown or out of range.
        TargetError: If the target can't be read or reached.
        TraceError: If the model can't be traced or pruned.

    Example:
        >>> search = mmdmcp.search.Gates(
        ...     model, '50%', x, steps=len(loader) * epochs, loss_fn=loss_fn)
        >>> weights = torch.optim.SGD(search.model.parameters(), lr=0.01)
        >>> gates = search.optimizer()
        >>> for batch in batches:
        ...     search.step(batch, weights, gates)
        >>> small = search.finish()
    """

    algorithm_type = TrainableGate

    def __init__(
        self,
        model: nn.Module,
        target: Target,
        example_inputs: ExampleInputs,
        *,
        steps: int,
        loss_fn: LossFn,
        seed: int = 0,
        **options: Any,
    ) -> None:
        if isinstance(target, (list, tuple)) and len(target) > 1:
            raise TargetError(
                f'target={shown(target)}: in a loop of your own gates search for one '
                'subnet. Give the largest; for the next, begin again with '
                'search.finish().model and an amount (a ratio would be one of that '
                'model). A config takes several'
            )
        super().__init__(
            model,
            target,
            example_inputs,
            steps=steps,
            loss_fn=loss_fn,
            seed=seed,
            **options,
        )
        self.algorithm.schedule.require_order()
        self.algorithm.mutator.start()

    def optimizer(self, lr: float | None = None) -> torch.optim.Adam:
        """Adam for the gates.

        Args:
            lr: Its rate; by default gates, which start at 1 on average, can
                sink, return and sink again while the target tightens.
        """
        if lr is None:
            schedule = self.algorithm.schedule
            lr = _WAY / max(1, schedule.iteration_at(schedule.ramp))
        return torch.optim.Adam(self.parameters(), lr=lr)

    def finish(self) -> Pruned:
        """Cut the closed channels out.

        In a job of several ranks all of them call this.
        """
        algorithm = self.algorithm
        if not algorithm.mutator.frozen:
            print_log(
                f'after {self.iteration} of {self.steps} steps the gates were not '
                'fixed yet. They are now, at the target: fine-tune the result',
                logger='current',
                level=logging.WARNING,
            )
            algorithm.mutator.freeze(algorithm.budget, algorithm.tolerance)
        average_statistics(self.model)
        return self.pruned('open')
