"""The ways to choose widths that are compared.

An arm gets a :class:`Bench`, a share and a seed, and returns what it found:
a dict with ``widths`` (or, for averages, the figures themselves), the
search's cost in multiply-accumulates, and whatever is worth keeping.
"""

from collections.abc import Callable, Sequence

import numpy as np

from mmdmcp.dmcp.candidates import find_candidates
from mmdmcp.dmcp.evolve import evolve

from .bench import Bench
from .plan import Plan, as_fitted, as_shipped
from .pretrained import gates, importance
from .ranking import Ranking, rank_correlation
from .search import Search

#: Networks beside the expected one, as shipped, and neighbours of the best of
#: them.
DRAWS, EVOLVED = 5, 16
#: Shares that one search serves together.
TOGETHER = (0.5, 0.3, 0.15)
#: As shipped.
_BUDGET_WEIGHT = 0.1
#: What a control sees of the images' gradient.
_BLIND = 1e-4
#: Random networks that a supernet ranks: as many as candidates, and more.
FEW, MANY = 6, 30


Arm = Callable[[Bench, float, int], dict]


# ---- without training ---------------------------------------------------


def uniform(bench: Bench, share: float, seed: int) -> dict:
    """All positions narrowed alike."""
    return dict(widths=bench.table.uniform(share))


def random(bench: Bench, share: float, seed: int) -> dict:
    """The mean over all networks at the target."""
    return _mean(bench, bench.table.band(bench.target(share)))


def pyramid(bench: Bench, share: float, seed: int) -> dict:
    """The mean over all networks at the target that never get narrower."""
    rows = bench.table.band(bench.target(share))
    shares = bench.table.widths[rows]
    return _mean(bench, rows[(np.diff(shares, axis=1) >= 0).all(axis=1)])


def smoothed(bench: Bench, share: float, seed: int) -> dict:
    """What no search can know: the mean over the ten networks at the target whose
    smoothed accuracy is highest. What they lack is the luck of the table's
    trainings."""
    rows = bench.table.band(bench.target(share))
    return _mean(bench, rows[np.argsort(-bench.table.smoothed[rows])[:10]])


def _mean(bench: Bench, rows: np.ndarray) -> dict:
    places = [bench.table.place(bench.table.widths[row]) for row in rows]
    return dict(
        widths=None,
        networks=len(rows),
        accuracy=round(float(np.mean([p.accuracy for p in places])), 3),
        accuracy_sd=round(float(np.std([p.accuracy for p in places])), 3),
        percentile=round(float(np.mean([p.percentile for p in places])), 2),
        percentile_min=min(p.percentile for p in places),
        smoothed=round(float(np.mean([p.smoothed for p in places])), 2),
        median=round(float(np.mean([p.median for p in places])), 3),
        best=round(float(np.mean([p.best for p in places])), 3),
        share_found=round(float(np.mean([p.share for p in places])), 4),
    )


# ---- a supernet's ranking -----------------------------------------------


def best_of(count: int, by: str = 'accuracy') -> Arm:
    """The best of random networks, by the supernet that :func:`votes` trains
    its chains on; and how well it ranks them."""

    def arm(bench: Bench, share: float, seed: int) -> dict:
        search = bench.search(votes_plan(bench, share, seed))
        ranking = bench.ranking(search, by)
        networks = bench.random(share, seed, count)
        widths = ranking.best(networks)
        found = dict(widths=widths, macs=search.meter.macs + ranking.macs)
        if count >= MANY:
            found.update(correlation=_correlation(bench, ranking, networks))
        return found

    return arm


def _correlation(bench: Bench, ranking: Ranking, networks: list[list[int]]) -> float:
    """Between the supernet's scores and the table's accuracies."""
    table = [bench.table.accuracy[bench.table.row(net)] for net in networks]
    return round(rank_correlation([ranking.score(net) for net in networks], table), 3)


# ---- DMCP ---------------------------------------------------------------


def dmcp(
    rate: float | None = None,
    by: str = 'accuracy',
    on_budget: bool = False,
    draws: str = 'near',
    sight: float = 1.0,
    **mutator,
) -> Arm:
    """A search whose weights and chains train together in the second half.

    Args:
        rate: Of the chains; by default :func:`~mmdmcp.search.dmcp.chains_rate`.
        by: What the candidates are ranked by.
        on_budget: Whether the chains keep to the target.
        draws: What the candidates are.
        sight: How much of the images' gradient the chains get, beside all of
            the budget's: next to none is a control.
        mutator: Options of the mutator.
    """
    options = dict(on_budget=True) if on_budget else _seeing(sight)

    def arm(bench: Bench, share: float, seed: int) -> dict:
        shipped = as_shipped(bench.iterations)
        shipped['mutator'].update(mutator)
        shipped['rate'] = sight * (shipped['rate'] if rate is None else rate)
        search = bench.search(bench.plan(share, seed, options=options, **shipped))
        search.run()
        return choose(bench, search, by, draws=draws)

    return arm


def _seeing(sight: float) -> dict:
    """SGD is linear: with a rate that is multiplied by ``sight``, the budget's
    part of a step stays as it is."""
    return {} if sight == 1 else dict(budget_weight=_BUDGET_WEIGHT / sight)


def fitted(slower: float = 5, others: int = DRAWS) -> Arm:
    """A search whose chains start where the pairs say, and keep to the target.

    Args:
        slower: What the other searches' rate is divided by.
        others: Networks that the expected one is compared with.
    """

    def arm(bench: Bench, share: float, seed: int) -> dict:
        plan = bench.plan(share, seed, **as_fitted(bench.iterations, slower))
        search = bench.search(plan)
        search.run()
        return choose(bench, search, 'accuracy', others=others)

    return arm


def dmcp_slow(bench: Bench, share: float, seed: int) -> dict:
    """The same search with half the rate."""
    rate = as_shipped(bench.iterations)['rate'] / 2
    return dmcp(rate)(bench, share, seed)


def together(sight: float = 1.0) -> Arm:
    """The same search, once for all of :data:`TOGETHER`, which the first share
    that is asked for runs; each is charged its part of it.

    Args:
        sight: As in :func:`dmcp`.
    """

    def arm(bench: Bench, share: float, seed: int) -> dict:
        shipped = as_shipped(bench.iterations, len(TOGETHER))
        shipped['rate'] *= sight
        plan = bench.plan(TOGETHER, seed, options=_seeing(sight), **shipped)
        search = bench.search(plan)
        search.run()
        search.meter.macs //= len(TOGETHER)
        search.algorithm.serve(TOGETHER.index(share))
        return choose(bench, search, 'accuracy')

    return arm


def votes(evolved: int = 0, **mutator) -> Arm:
    """Weights in the first 85 % of the search, then the chains, at the target,
    by signs; candidates ranked by the loss, and neighbours of the best."""

    def arm(bench: Bench, share: float, seed: int) -> dict:
        search = bench.search(votes_plan(bench, share, seed, **mutator))
        search.run()
        return choose(bench, search, 'loss', evolved, 'direct')

    return arm


def votes_plan(bench: Bench, share: float, seed: int, **mutator) -> Plan:
    """The search of :func:`votes`."""
    return bench.plan(
        share,
        seed,
        mutator=dict(mutator, step='sign'),
        options=dict(arch_start=0.85, weights_stop=0.85, on_budget=True),
    )


def choose(
    bench: Bench,
    search: Search,
    by: str,
    evolved: int = 0,
    draws: str = 'near',
    others: int = DRAWS,
) -> dict:
    """The best candidate of a finished search, and all of them."""
    found = candidates(search, bench.ranking(search, by), evolved, draws, others)
    for candidate in found['candidates']:
        place = bench.table.place(candidate['widths'])
        candidate.update(percentile=place.percentile, smoothed=place.smoothed)
    return found


def candidates(
    search: Search,
    ranking: Ranking,
    evolved: int = 0,
    draws: str = 'near',
    others: int = DRAWS,
) -> dict:
    """The best candidate of a finished search, and all of them."""
    algorithm = search.algorithm
    mutator, budget = algorithm.mutator, algorithm.budget

    def affordable(widths: Sequence[int]) -> bool:
        return budget.gap(mutator.cost_of(widths)) <= algorithm.tolerance

    drawn = find_candidates(mutator, budget, algorithm.tolerance, others, draws)
    names = {tuple(c.widths): c.name for c in reversed(drawn)}
    near = [n for n in names if affordable(n)] or [tuple(drawn[0].widths)]
    scores = {network: ranking.score(network) for network in near}
    scores = evolve(
        scores,
        ranking.score,
        affordable,
        [unit.grid for unit in mutator.units],
        evolved,
        mutator.generator,
    )
    return dict(
        widths=list(max(scores, key=scores.__getitem__)),
        macs=search.meter.macs + ranking.macs,
        candidates=[
            dict(
                name=names.get(network, 'evolved'),
                widths=list(network),
                supernet=scores.get(network),
            )
            for network in dict.fromkeys([*names, *scores])
        ],
        expected=[round(w, 1) for w in mutator.expected_widths().tolist()],
    )


#: The arms by name, in the order of the report.
ARMS: dict[str, Arm] = {
    'uniform': uniform,
    'random': random,
    'pyramid': pyramid,
    'smoothed': smoothed,
    'best_of_6': best_of(FEW),
    'best_of_30': best_of(MANY),
    'best_of_30_by_loss': best_of(MANY, 'loss'),
    'importance': importance('l2'),
    'importance_taylor': importance('taylor'),
    'gates': gates,
    'dmcp_sigmoid': dmcp(0.5, draws='direct', parametrisation='sigmoid'),
    'dmcp_exp': dmcp(),
    'dmcp_exp_by_loss': dmcp(by='loss'),
    'dmcp_exp_direct': dmcp(draws='direct'),
    'dmcp_exp_direct_by_loss': dmcp(by='loss', draws='direct'),
    'dmcp_exp_slow': dmcp_slow,
    'dmcp_fitted': fitted(),
    'dmcp_fitted_unranked': fitted(others=0),
    'dmcp_fitted_slow': fitted(20),
    'dmcp_exp_blind': dmcp(sight=_BLIND),
    'dmcp_exp_together': together(),
    'dmcp_exp_together_blind': together(sight=_BLIND),
    'dmcp_sign': dmcp(1.0, on_budget=True, draws='direct', step='sign'),
    'votes': votes(),
    'votes_evolved': votes(EVOLVED),
}
#: Those that train nothing: one seed says all, and no images are needed.
UNTRAINED = ('uniform', 'random', 'pyramid', 'smoothed')
#: The search with the settings of the configs, and what it has to beat.
MAIN = (
    *UNTRAINED,
    *('best_of_30_by_loss', 'importance', 'gates'),
    *('dmcp_fitted', 'dmcp_fitted_unranked'),
)
