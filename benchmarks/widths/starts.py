"""Where DMCP's chains start, for thirty targets.

A search learns in its first half what the widths of its units are worth, and from
that the start for any target follows in a second. So thirty of them cost no more than one.
"""

import statistics
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from mmdmcp.cost import Budget
from mmdmcp.dmcp.worth import TRUST
from mmdmcp.ranking.balanced import best_network, predicted

from . import arms, records
from .bench import Bench
from .plan import as_fitted
from .ranking import rank_correlation
from .search import Search
from .tables import LOADERS as TABLES

KEY = ('table', 'trust', 'seed', 'iterations', 'batch', 'size', 'device')
#: Of the full network's FLOPs.
SHARES = tuple(round(0.12 + 0.02 * number, 2) for number in range(30))
#: What no search can know: worth that is fitted to the table itself.
TABLE = 'table'
#: How much the pairs say. With nothing, no image is looked at.
TRUSTS = (0.0, TRUST, 0.5, 1.0)
_NAMES = {
    None: 'uniform widths',
    0.0: 'layers alike, no images',
    TRUST: f'{TRUST} pairs, the rest layers alike (`init="fitted"`)',
    1.0: 'pairs alone',
    TABLE: 'worth fitted to the table itself',
}


def run(bench: Bench, path: Path, seeds: Sequence[int], command: str) -> None:
    """Append what a file of results lacks, and print it."""
    done = {records.key(r, KEY) for r in records.read(path)}
    for trust in (None, TABLE, *TRUSTS):
        searched = trust not in (None, TABLE, 0.0)
        for seed in seeds if searched else [None]:
            trains = dict(
                iterations=bench.iterations,
                batch=bench.batch,
                size=bench.size,
                **bench.elsewhere,
            )
            record = dict(table=bench.table.name, trust=trust, seed=seed)
            if searched:
                record.update(trains)
            if records.key(record, KEY) in done:
                continue
            record.update(measure(bench, trust, seed))
            device = bench.device if searched else None
            record.update(records.circumstances(command, device))
            records.append(path, record)
            mean = statistics.mean(record['percentiles'])
            of = '' if seed is None else f', seed {seed}'
            print(f'{bench.table.name}, {name(trust)}{of}: percentile {mean:.1f}')


def measure(bench: Bench, trust: float | str | None, seed: int | None) -> dict:
    """Percentiles of the networks for all targets.

    Args:
        bench: The table, the images, the length of a search.
        trust: How much the pairs say; :data:`TABLE`; or None for uniform widths.
        seed: Of the search.
    """
    table = bench.table
    if trust is None:
        found = [arms.uniform(bench, share, 0)['widths'] for share in SHARES]
        return _placed(table, found)
    plan = bench.plan(0.5, seed or 0, **as_fitted(bench.iterations))
    searched = bool(trust) and trust != TABLE
    search = bench.search(plan) if searched else Search(table, None, plan, bench.folder)
    mutator, full = search.algorithm.mutator, table.full.tolist()
    worth = _fitted(table) if trust == TABLE else mutator.worth.shares(trust)
    budgets = [
        Budget.parse(round(bench.target(share)), mutator.cost_of(full))
        for share in SHARES
    ]
    cost, steps = mutator.supernet.cost, [unit.steps for unit in mutator.units]
    found = [best_network(worth, cost, b, steps, table.tolerance) for b in budgets]
    return dict(
        **_placed(table, found),
        worth=[round(k, 3) for k in worth.tolist()],
        correlation=round(_correlation(bench, worth), 3),
        epochs=round(search.meter.macs / (3 * table.full_macs * 50_000), 3),
    )


def _fitted(table: Any) -> torch.Tensor:
    """Worth by least squares, of accuracies on the logarithms of widths."""
    logs = np.log(table.widths)
    design = np.column_stack([np.ones(len(logs)), logs])
    found = np.linalg.lstsq(design, table.accuracy, rcond=None)[0][1:]
    return torch.from_numpy(found / found.sum())


def _placed(table: Any, networks: Sequence[Sequence[int]]) -> dict:
    places = [table.place(network) for network in networks]
    return dict(
        percentiles=[place.percentile for place in places],
        smoothed=[place.smoothed for place in places],
    )


def _correlation(bench: Bench, worth: torch.Tensor) -> float:
    """Spearman's, between what the model predicts and the table's smoothed accuracies,
    among networks of the same cost: the mean over the targets."""
    table, each = bench.table, []
    for share in SHARES:
        rows = table.band(bench.target(share))
        losses = predicted(worth, torch.tensor(table.widths[rows]))
        each.append(rank_correlation(-losses.numpy(), table.smoothed[rows]))
    return float(np.mean(each))


def name(trust: float | str | None) -> str:
    """What a row is called."""
    return _NAMES.get(trust, f'{trust} pairs')


def section(found: Sequence[dict], titles: dict[str, str]) -> str:
    """A table of the docs: a start a row."""
    groups = defaultdict(list)
    for record in found:
        groups[record['table'], record['trust'], records.length(record)].append(record)
    lines = [
        '### Where the chains start',
        '',
        '`python -m benchmarks.widths starts nats --data-root data/cifar10`, and '
        '`channel_bench`; longer searches with `--iterations`',
        '',
        '| table | start | search: iterations x images, of which the first half is run | mean smoothed percentile of 30 targets | least | '
        '12 to 30% | 32 to 50% | 52 to 70% | as trained | rank correlation | worth of the units | seeds | '
        'plain epochs |',
        '|' + '---|' * 13,
    ]
    for (table, trust, length), group in sorted(groups.items(), key=_order):
        each = [r['smoothed'] for r in group]
        trained = np.mean([r['percentiles'] for r in group])
        parts = [np.mean([p[i : i + 10] for p in each]) for i in (0, 10, 20)]
        means = [statistics.mean(p) for p in each]
        spread = f' ({min(means):.1f} to {max(means):.1f})' if len(each) > 1 else ''
        known = [r['correlation'] for r in group if 'correlation' in r]
        seeds = sorted(r['seed'] for r in group if r['seed'] is not None)
        lines.append(
            f'| {titles[table]} | {name(trust)} | {length} | **{statistics.mean(means):.1f}**'
            f'{spread} | {min(map(min, each)):.0f} | '
            + ' | '.join(f'{part:.0f}' for part in parts)
            + f' | {trained:.1f} | {f"{statistics.mean(known):.2f}" if known else ""} | '
            f'{_worth(group)} | {", ".join(map(str, seeds))} | {group[0].get("epochs", 0):.2f} |'
        )
    return '\n'.join(lines)


def _order(item: tuple[tuple[str, Any, str], list[dict]]) -> tuple:
    (table, trust, _), group = item
    place = (None, *TRUSTS, TABLE).index(trust)
    record = group[0]
    return (
        list(TABLES).index(table),
        place,
        record.get('iterations') or 0,
        record.get('size') or 0,
    )


def _worth(group: Sequence[dict]) -> str:
    """Means over the seeds."""
    known = [r['worth'] for r in group if 'worth' in r]
    return ' '.join(f'{k:.2f}' for k in np.mean(known, axis=0)) if known else ''
