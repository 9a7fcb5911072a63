"""What a search does around MMEngine's training loop."""

from collections.abc import Sequence

from mmengine.runner import Runner
from torch import nn

from ..engine import recalibrate, same_randomness, take_batches
from ..engine.evaluate import MOST_BATCHES
from ..errors import ConfigError, TrainingError, shown
from ..methods import SearchHook, SearchValLoop
from ..options import number, one_of, refuse_unknown
from ..registry import HOOKS
from ..report import candidate_table, network_table, preflight_table
from .algorithm import DMCP
from .candidates import DRAWS, Candidate, find_candidates
from .ranker import LOSS, Ranker

#: The draws take about a minute then.
MOST_DRAWS = 10_000_000


@HOOKS.register_module()
class DMCPSearchHook(SearchHook):
    """Starts a search and, at its end, chooses and writes the subnet.

    Before training it prints what can be pruned and whether the target can
    be met. After training it draws candidates within tolerance of the
    target, gives each its own batch-norm statistics, evaluates them on the
    validation data, and writes the best as ``DMCP_SUBNET_<name>.yaml``,
    with its weights beside it as ``.pth``, into the work dir. Of several
    targets, each has such a file: ``DMCP_SUBNET_<name>_50PERCENT.yaml``.

    Args:
        name: Name of the file; defaults to the target as a ratio of the
            full network, e.g. ``50PERCENT``.
        num_candidates: Networks to evaluate beside the expected one, of each
            target.
        max_draws: Bound on the draws that are tried.
        recalibration_batches: Training batches for the statistics.
        rank_by: Metric to rank by, larger is better; defaults to the first
            one that the evaluator reports. ``'loss'`` ranks by the loss that
            the model trains with, on the validation data, which tells more
            than an accuracy while the weights are far from trained.
        num_evolved: Neighbours of the best candidates to evaluate then, one
            after the other; see :func:`~mmdmcp.dmcp.evolve.evolve`.
        draws: Which networks are evaluated beside the expected one:
            ``'near'``, around the expected widths, or ``'direct'``, drawn from
            the chains, as in the release: far apart where these are undecided.
    """

    def __init__(
        self,
        name: str | None = None,
        num_candidates: int = 5,
        max_draws: int = 20000,
        recalibration_batches: int = 32,
        rank_by: str | None = None,
        num_evolved: int = 0,
        draws: str = 'near',
        **unknown,
    ) -> None:
        if 'tolerance' in unknown:
            raise ConfigError(
                'DMCPSearchHook has no tolerance of its own: set model.tolerance'
            )
        refuse_unknown(self, unknown)
        number('DMCPSearchHook: num_candidates', num_candidates, 0, 1000, whole=True)
        number('DMCPSearchHook: max_draws', max_draws, 1, MOST_DRAWS, whole=True)
        number('DMCPSearchHook: num_evolved', num_evolved, 0, 1000, whole=True)
        one_of('DMCPSearchHook: draws', draws, DRAWS)
        number(
            'DMCPSearchHook: recalibration_batches',
            recalibration_batches,
            1,
            MOST_BATCHES,
            whole=True,
        )
        if not isinstance(rank_by, (str, type(None))):
            raise ConfigError(
                f'DMCPSearchHook: rank_by={shown(rank_by)}: give the name of a metric'
            )
        super().__init__(name)
        self.num_candidates = num_candidates
        self.max_draws = max_draws
        self.recalibration_batches = recalibration_batches
        self.rank_by = rank_by
        self.num_evolved = num_evolved
        self.draws = draws

    # ---- before ------------------------------------------------------

    def before_run(self, runner: Runner) -> None:
        """Check what the end of the search depends on."""
        super().before_run(runner)
        if runner.val_loop is None:
            runner.logger.warning(
                'there is no validation (val_cfg, val_dataloader, '
                'val_evaluator): nothing will rank the candidates, and the '
                'first of them, as a rule the expected network, is written'
            )
        elif not isinstance(runner.val_loop, SearchValLoop):
            runner.logger.warning(
                'val_cfg: what is validated during the search is the widest '
                "network; val_cfg=dict(type='mmdmcp.SearchValLoop') validates "
                'several, each by its name'
            )

    def before_train(self, runner: Runner) -> None:
        """Print what is going to happen."""
        super().before_train(runner)
        algorithm = self._algorithm(runner)
        start = algorithm.schedule.first_arch_iteration
        if start >= runner.max_iters:
            raise ConfigError(
                f'arch_start={algorithm.schedule.arch_start} is not before '
                f'the end of the search at iteration {runner.max_iters}: the '
                'chains would never train. Lower model.arch_start or train '
                'longer'
            )
        # A step without gradients changes nothing; torch warns when a
        # scheduler moves before its optimiser, and this one idles at first.
        runner.optim_wrapper['mutator'].optimizer.step()
        runner.logger.info('\n' + preflight_table(algorithm))
        runner.logger.info(
            f'{runner.max_iters} iterations; the chains train from iteration {start} on'
        )

    # ---- during ------------------------------------------------------

    def after_val_epoch(
        self, runner: Runner, metrics: dict[str, float] | None = None
    ) -> None:
        """Look for ``rank_by``: not only when the search is over."""
        named = isinstance(runner.val_loop, SearchValLoop)  # 'max/mIoU'
        if self.recorder is not None:
            start = 'max/' if named else ''
            self.recorder.full_metrics(
                {
                    key.removeprefix(start): value
                    for key, value in (metrics or {}).items()
                    if key.startswith(start)
                }
            )
        if self.rank_by in (None, LOSS) or not metrics:
            return
        known = list(metrics)
        if named:
            known = [key.partition('/')[2] for key in known]
        schedule = self._algorithm(runner).schedule
        # At the very end another metric can still decide: nothing is lost.
        if self.rank_by not in known and schedule.iteration < schedule.max_iters:
            raise ConfigError(
                f'DMCPSearchHook: rank_by={self.rank_by!r} is not among the metrics '
                f'{sorted(set(known))}'
            )

    # ---- after -------------------------------------------------------

    def after_train(self, runner: Runner) -> None:
        """Choose the subnet and write it.

        Raises:
            TrainingError: If the search ended before the chains began to
                train: there is nothing to choose by.
        """
        algorithm = self._algorithm(runner)
        self._check_end(runner, algorithm)
        found = []
        for _ in algorithm.each_budget():
            self._report_moves(runner, algorithm)
            found.append(self._candidates(runner, algorithm))
            # Something is on disk before the evaluation, which can fail.
            self.export(runner, found[-1][0].widths)
        rows = []
        with same_randomness():
            batches = take_batches(runner.train_dataloader, self.recalibration_batches)
            for _, candidates in zip(algorithm.each_budget(), found):
                best = self._finish(runner, algorithm, candidates, batches)
                rows.append((algorithm.tag, best.cost, best.metrics))
        if len(rows) > 1:
            known = {} if self.recorder is None else self.recorder.record.full.metrics
            full = ('full', algorithm.cost_of('max'), known)
            title = 'One search, several budgets'
            runner.logger.info('\n' + network_table([full, *rows], title))

    def _finish(
        self,
        runner: Runner,
        algorithm: DMCP,
        candidates: list[Candidate],
        batches: Sequence[object],
    ) -> Candidate:
        """Choose and write the subnet of the budget in turn."""
        best, net, metric = self._rank(runner, algorithm, candidates, batches)
        self.export(runner, best.widths, net.state_dict())
        if self.recorder is not None:
            key = metric if metric in best.metrics else None
            self.recorder.finish(candidates, best, key)
        return best

    def _check_end(self, runner: Runner, algorithm: DMCP) -> None:
        schedule = algorithm.schedule
        start = schedule.first_arch_iteration
        if schedule.iteration <= start:
            raise TrainingError(
                f'the search was ended at iteration {schedule.iteration} of '
                f'{schedule.max_iters}, before the chains began to train at '
                f'iteration {start}: every layer would be narrowed alike, so no '
                'subnet is written. Go on with --resume, or leave out what ended '
                'it (early stopping in custom_hooks)'
            )
        self.warn_if_early(
            runner,
            f'the chains trained {schedule.iteration - start} of '
            f'{schedule.max_iters - start} iterations; the subnet is chosen by '
            'where they are',
        )

    def _report_moves(self, runner: Runner, algorithm: DMCP) -> None:
        """Say how far the chains moved, and whether that is next to nothing."""
        mutator = algorithm.mutator
        ratios, moves = mutator.ratios(), mutator.moves()
        which = algorithm.tag and f' of {algorithm.tag}'
        runner.logger.info(
            f'the chains{which} moved by {moves.mean():.2f} of a layer on average, '
            f'{moves.max():.2f} at most; layers keep {ratios.min():.2f} to '
            f'{ratios.max():.2f} of their channels'
        )
        step = mutator.grid.step / mutator.grid.max_ratio
        if moves.max() < step:
            rate = runner.optim_wrapper['mutator'].optimizer.param_groups[0]
            runner.logger.warning(
                f'no chain moved by a step of the grid ({step:.2g}){which}: this is '
                'nearly the network whose layers are all narrowed alike. Search '
                'longer, or raise the rate of the chains, '
                'optim_wrapper.mutator.optimizer.lr='
                f'{rate.get("initial_lr", rate["lr"]):g}'
            )

    def _candidates(self, runner: Runner, algorithm: DMCP) -> list[Candidate]:
        budget, mutator = algorithm.budget, algorithm.mutator
        tolerance = algorithm.tolerance
        found = find_candidates(
            mutator,
            budget,
            tolerance,
            self.num_candidates,
            self.draws,
            self.max_draws,
        )
        drawn = sum(candidate.name != 'expected' for candidate in found)
        if self.draws == 'direct' and drawn < self.num_candidates:
            runner.logger.warning(
                f'{drawn} of {self.num_candidates} direct draws came '
                f'within {tolerance:.1%} of the target of {budget} in '
                f'{self.max_draws} tries: the chains are still undecided, or '
                'the search was short'
            )
        if budget.gap(found[0].cost) > tolerance:
            runner.logger.warning(
                'the expected network costs '
                f'{budget.used(found[0].cost):.1%} of the target of {budget}, more '
                f'than {tolerance:.1%} from it: widths are whole channels'
            )
        return found

    def _rank(
        self,
        runner: Runner,
        algorithm: DMCP,
        candidates: list[Candidate],
        batches: Sequence[object],
    ) -> tuple[Candidate, nn.Module, str | None]:
        """The best candidate, its network with its own statistics, and the
        metric that decided.

        The candidates of evolution are added to the list.
        """
        loop = runner.val_loop
        if loop is None:
            net = algorithm.cut(candidates[0].widths)
            recalibrate(net, batches)
            return candidates[0], net, None
        ranker = Ranker(algorithm, loop, batches, self.rank_by, runner.logger)
        ranker.rank(candidates)
        candidates += ranker.evolve(self.num_evolved)
        table = candidate_table(
            candidates, ranker.best, algorithm.budget, ranker.metric, algorithm.tag
        )
        runner.logger.info(f'\n{table}')
        return ranker.best, ranker.net, ranker.metric
