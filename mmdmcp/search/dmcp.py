"""DMCP in a training loop of one's own."""

import logging
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

import torch
from mmengine.logging import print_log
from torch import nn

from .. import dmcp
from ..cost import Budget
from ..cost.budget import Targets
from ..dmcp.candidates import DRAWS, Candidate, find_candidates
from ..dmcp.ranker import Ranker
from ..engine import recalibrate, same_randomness
from ..engine.distributed import average
from ..errors import ConfigError, DataError, TrainingError
from ..layers import BATCH_NORMS
from ..methods import AnyModule, LossFn
from ..options import number, one_of
from ..plain.inputs import ExampleInputs
from ..plain.prune import Pruned
from ..report.tables import candidate_table
from .loop import Search

ValFn = Callable[[nn.Module], float]

_SCORE = 'score'
# Rate times steps of the chains, as in the searches of docs/results.md; in fewer
# steps than theirs a higher rate ends every chain.
_WAY, _FASTEST = 25.0, 0.1


def chains_rate(steps: int, budgets: int = 1) -> float:
    """A rate of SGD with momentum 0.9 for chains that train in so many steps.

    Args:
        steps: Of the chains, for all budgets together.
        budgets: That the search serves; each step is for one of them, and that
            many times as long.
    """
    return min(_FASTEST / budgets, _WAY / steps)


@dataclass(frozen=True)
class Searched(Pruned):
    """A small model, and what it was chosen from; printed, two tables.

    Attributes:
        candidates: Networks at the target that were compared, each with its
            widths, cost and ``metrics['score']``.
        chosen: The one that the model is.
        budget: What was aimed at.
    """

    candidates: tuple[Candidate, ...]
    chosen: Candidate
    budget: Budget

    def __str__(self) -> str:
        table = candidate_table(self.candidates, self.chosen, self.budget, _SCORE)
        return f'{table}\n{super().__str__()}'


class DMCP(Search):
    """Searches how many channels each layer should keep.

    Each step trains the weights at several widths and, from the middle of
    the search on, the chains. :meth:`finish` chooses; train the result from
    scratch, or go on with its weights.

    Args:
        model: Any module; stays as it is, the search trains a copy.
        target: What the small model may cost, as for :func:`mmdmcp.prune`; or
            a list of targets, for a small model each.
        example_inputs: What the model is called with, as there.
        steps: How often :meth:`step` will be called.
        loss_fn: Loss of a model on a batch, ``loss_fn(model, batch)``.
        distillation: Whose output narrow networks learn from the widest one:
            ``'auto'``, the model's own, which must be logits with classes
            along dimension 1; or the name of a module. None, as for
            anything but classes, lets every network learn by the loss.
        seed: Decides what is drawn; the same on all ranks.
        **options: Those of :class:`mmdmcp.dmcp.DMCP`, such as
            ``arch_start``, ``tolerance`` or ``mutator``.

    Raises:
        ConfigError: If an option is missing, unknown or out of range.
        TargetError: If the target can't be read or reached.
        TraceError: If the model can't be traced or pruned.

    Example:
        >>> search = mmdmcp.search.DMCP(
        ...     model, '50%', x, steps=len(loader) * epochs, loss_fn=loss_fn)
        >>> weights = torch.optim.SGD(search.model.parameters(), lr=0.1)
        >>> chains = search.optimizer()
        >>> for batch in batches:
        ...     search.step(batch, weights, chains)
        >>> small = search.finish(accuracy, loader)
    """

    algorithm_type = dmcp.DMCP

    def __init__(
        self,
        model: nn.Module,
        target: Targets,
        example_inputs: ExampleInputs,
        *,
        steps: int,
        loss_fn: LossFn,
        distillation: str | None = 'auto',
        seed: int = 0,
        **options: Any,
    ) -> None:
        # The architecture's module of that name is the model.
        teacher = 'model' if distillation == 'auto' else distillation
        if teacher != 'model' and isinstance(teacher, str):
            teacher = f'model.{teacher}'
        super().__init__(
            model,
            target,
            example_inputs,
            steps=steps,
            loss_fn=loss_fn,
            seed=seed,
            distillation=teacher,
            **options,
        )
        schedule = self.algorithm.schedule
        if schedule.first_arch_iteration >= steps:
            raise ConfigError(
                f'arch_start={schedule.arch_start} is not before the last of '
                f'{steps} steps: the chains would never train'
            )

    def optimizer(self, lr: float | None = None) -> torch.optim.SGD:
        """SGD with momentum for the chains.

        Args:
            lr: Its rate; by default one that suits the number of steps in
                which the chains train.
        """
        if lr is None:
            start = self.algorithm.schedule.first_arch_iteration
            lr = chains_rate(self.steps - start, len(self.algorithm.budgets))
        return torch.optim.SGD(self.parameters(), lr=lr, momentum=0.9, nesterov=True)

    def finish(
        self,
        val_fn: ValFn | None = None,
        batches: Iterable[Any] = (),
        *,
        num_candidates: int = 5,
        max_draws: int = 20000,
        recalibration_batches: int = 32,
        num_evolved: int = 0,
        draws: str = 'near',
    ) -> Searched | list[Searched]:
        """Choose the small network.

        Candidates within the tolerance of the target are cut out, given
        batch-norm statistics of their own, and compared. In a job of several
        ranks all of them call this; scores are averaged.

        Args:
            val_fn: How good a model in eval mode is, larger is better, on
                data that is not trained with. Without it the expected
                network is taken.
            batches: Training batches for the statistics, such as the data
                loader. Not needed without batch norms.
            num_candidates: Other networks to compare with the expected one.
            max_draws: Bound on the draws that are tried.
            recalibration_batches: How many batches to use.
            num_evolved: Neighbours of the best candidates to compare then.
            draws: Which others: ``'near'``, around the expected widths, or
                ``'direct'``, drawn from the chains.

        Returns:
            The small network; of several targets, one for each.

        Raises:
            ConfigError: If an option is out of range, or batches are
                missing.
            TrainingError: If the chains have not trained yet.
        """
        for name, value in (
            ('num_candidates', num_candidates),
            ('num_evolved', num_evolved),
        ):
            number(name, value, 0, 1000, whole=True)
        one_of('draws', draws, DRAWS)
        number('recalibration_batches', recalibration_batches, low=1, whole=True)
        self._check_trained()
        num = num_candidates if val_fn is not None else 0
        with same_randomness():
            taken = self._take(batches, recalibration_batches)
            found = []
            for _ in self.algorithm.each_budget():
                candidates = find_candidates(
                    self.algorithm.mutator,
                    self.algorithm.budget,
                    self.algorithm.tolerance,
                    num,
                    draws,
                    max_draws,
                )
                found.append(self._choose(candidates, val_fn, taken, num_evolved))
        return found if self.algorithm.tag else found[0]

    def _choose(
        self,
        candidates: list[Candidate],
        val_fn: ValFn | None,
        batches: Sequence[Any],
        num_evolved: int,
    ) -> Searched:
        """The best of the candidates for the budget in turn."""
        ranker = _Ranker(self.algorithm, val_fn, batches)
        if val_fn is None:
            ranker.take(candidates[0])
        else:
            ranker.rank(candidates)
            candidates += ranker.evolve(num_evolved)
        found = self.pruned(ranker.best.widths, ranker.net)
        return Searched(
            found.model,
            found.subnet,
            found.before,
            found.after,
            tuple(candidates),
            ranker.best,
            self.algorithm.budget,
        )

    def _check_trained(self) -> None:
        start = self.algorithm.schedule.first_arch_iteration
        if self.iteration <= start:
            raise TrainingError(
                f'{self.iteration} of {self.steps} steps are done, and the chains '
                f'train from step {start} on: every layer would be narrowed alike'
            )
        if self.iteration < self.steps:
            print_log(
                f'the search ends after {self.iteration} of {self.steps} steps; the '
                'subnet is chosen by where the chains are',
                logger='current',
                level=logging.WARNING,
            )

    def _take(self, batches: Iterable[Any], num: int) -> list[Any]:
        if not any(isinstance(m, BATCH_NORMS) for m in self.model.modules()):
            return []
        taken = list(islice(batches, num))
        if not taken:
            raise DataError(
                'finish: candidates need batch-norm statistics of their own: give '
                'training batches, finish(val_fn, train_loader)'
            )
        return taken


class _Ranker(Ranker):
    """Compares by a function instead of MMEngine's loop."""

    def __init__(
        self, algorithm: dmcp.DMCP, val_fn: ValFn | None, batches: Sequence[Any]
    ) -> None:
        logger = logging.getLogger('mmdmcp')
        super().__init__(algorithm, None, batches, _SCORE, logger)
        self._val_fn = val_fn
        self._shell: AnyModule = algorithm.architecture

    def take(self, candidate: Candidate) -> None:
        """Choose one without comparing."""
        self.best, self.net = candidate, self._cut(candidate)

    def _cut(self, candidate: Candidate) -> nn.Module:
        net = self._algorithm.cut(candidate.widths)
        shell = AnyModule(
            net, self._shell.loss_fn, self._shell.input_shape, self._shell.run
        )
        recalibrate(shell, self._batches)
        return net

    @torch.no_grad()
    def _metrics(self, net: nn.Module) -> dict[str, float]:
        assert self._val_fn is not None
        score = torch.tensor(float(self._val_fn(net.eval())), dtype=torch.float64)
        average([score])
        return {_SCORE: float(score)}
