"""Tables and plots of the results."""

import statistics
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

from mmdmcp.files import atomic_file

from . import plots, records, smoothing, starts, tables
from .smoothing import COMPARED

BEGIN = '<!-- python -m benchmarks.widths report: begin -->'
END = '<!-- python -m benchmarks.widths report: end -->'
TITLES = {
    'nats': "NATS-Bench's size space",
    'channel_bench': "Channel-Bench-Macro's ResNet",
}
_COMMANDS = {
    name: f'`python -m benchmarks.widths run {name} --data-root data/cifar10`'
    for name in TITLES
}


def line(record: dict) -> str:
    """One result, for the terminal."""
    widths = record['widths']
    shape = ':'.join(map(str, widths)) if widths else 'mean'
    seed = '' if record['seed'] is None else f'seed {record["seed"]}, '
    return (
        f'{record["table"]} {record["arm"]} {record["share"]:.0%}: {seed}{shape}, '
        f'{record["accuracy"]:.2f} %, percentile {record["smoothed"]:.0f} smoothed, '
        f'{record["percentile"]:.0f} as trained (median {record["median"]:.2f}, best {record["best"]:.2f}), '
        f'{record["epochs"]:.2f} plain epochs, {record["cpu_seconds"]:.0f} s'
    )


def write(folder: Path, results: Path, docs: Path) -> None:
    """Print the tables; write them and the plots into the docs.

    Args:
        folder: Of the tables; without it there are no plots.
        results: Folder of the result files.
        docs: Folder of ``results.md``.
    """
    parts = []
    for name in TITLES:
        found = records.read(results / f'{name}.jsonl')
        if not found:
            continue
        parts.append(section(name, found))
        images = docs / 'images'
        if folder.exists():
            table = tables.load(name, folder)
            plots.cloud(table, TITLES[name], found, images / f'widths_{name}.png')
        if by_length := lengths(found):
            plots.lengths(
                by_length, TITLES[name], found, images / f'lengths_{name}.png'
            )
    for name, module in (('starts', starts), ('noise', smoothing)):
        if found := records.read(results / f'{name}.jsonl'):
            parts.insert(0, module.section(found, TITLES))
    text = '\n\n'.join(parts)
    print(text)
    insert(docs / 'results.md', text, BEGIN, END)


def section(name: str, found: Sequence[dict]) -> str:
    """A table of the docs: an arm a row, a target a column."""
    shares = sorted({r['share'] for r in found}, reverse=True)
    groups = defaultdict(list)
    for record in found:
        groups[_setting(record)].append(record)
    rows = [
        '| widths from | iterations x images | '
        + ' | '.join(f'{share:.0%}' for share in shares)
        + ' | mean of 50, 30 and 15% | plain epochs |',
        '|' + '---|' * (len(shares) + 4),
    ]
    for (arm, length), group in sorted(groups.items(), key=_order):
        cells = [_cell([r for r in group if r['share'] == share]) for share in shares]
        mean = _mean(group)
        epochs = statistics.mean(r['epochs'] for r in group)
        rows.append(
            f'| {arm} | {length} | {" | ".join(cells)} | {mean} | {epochs:.2f} |'
        )
    lines = [f'### {TITLES[name]}', '', _COMMANDS[name], '', *rows]
    correlations = [r for r in found if r.get('correlation') is not None]
    if correlations:
        lines += ['', _correlations(correlations)]
    drawn = [r for r in found if r.get('candidates')]
    if drawn:
        lines += ['', _before_ranking(drawn)]
    lines += ['', f'![Accuracy over FLOPs](images/widths_{name}.png)']
    if lengths(found):
        lines += ['', f'![Percentile over price](images/lengths_{name}.png)']
    return '\n'.join(lines)


def lengths(found: Sequence[dict]) -> dict[str, list[list[dict]]]:
    """The arms that were run at three lengths or more, at every target that is
    compared: their results, length by length, shortest first."""
    arms = defaultdict(lambda: defaultdict(list))
    for record in found:
        if record['iterations'] and record['share'] in COMPARED:
            setting = record['batch'], record.get('size'), record.get('device')
            arms[record['arm'], setting][record['iterations']].append(record)
    found_at = {}
    for (arm, _), by_length in arms.items():
        complete = [
            group
            for _, group in sorted(by_length.items())
            if {r['share'] for r in group} == set(COMPARED)
        ]
        if len(complete) >= 3:
            found_at[arm] = complete
    return found_at


def _setting(record: dict) -> tuple[str, str]:
    return record['arm'], records.length(record)


def _named(record: dict) -> str:
    """An arm and its length: ``'votes (240 x 64)'``."""
    arm, length = _setting(record)
    return f'{arm} ({length})'


def _order(item: tuple) -> tuple:
    (arm, length), group = item
    trained = bool(length)
    return trained, statistics.mean(r['smoothed'] for r in group), arm, length


def _mean(group: Sequence[dict]) -> str:
    """Of the smoothed percentiles at the targets that every arm should have; empty
    where one is missing, so that means can be compared."""
    means = [
        statistics.mean([r['smoothed'] for r in group if r['share'] == share] or [-1])
        for share in COMPARED
    ]
    return '' if min(means) < 0 else f'{statistics.mean(means):.0f}'


def _cell(group: Sequence[dict]) -> str:
    """Smoothed percentile, with its range over the seeds; percentile and accuracy as
    trained."""
    if not group:
        return ''
    places = [r['smoothed'] for r in group]
    trained = [statistics.mean(r[n] for r in group) for n in ('percentile', 'accuracy')]
    spread = f' ({min(places):.0f} to {max(places):.0f})' if len(group) > 1 else ''
    return (
        f'**{statistics.mean(places):.0f}**{spread}; {trained[0]:.0f}, {trained[1]:.2f}'
    )


def _before_ranking(found: Sequence[dict]) -> str:
    """What chains are worth without a ranking of what is drawn from them."""
    groups = defaultdict(list)
    for record in found:
        groups[_named(record), record['share']] += [
            c['smoothed']
            for c in record['candidates']
            if c['supernet'] is not None and c['name'] != 'evolved'
        ]
    cells = {
        key: f'{statistics.mean(group):.0f} ({min(group):.0f} to {max(group):.0f})'
        for key, group in groups.items()
    }
    title = (
        'Smoothed percentile of the candidates before they are ranked, mean (range):'
    )
    return f'{title}\n\n{_by_target("candidates of", cells)}'


def _correlations(found: Sequence[dict]) -> str:
    groups = defaultdict(list)
    for record in found:
        groups[_named(record), record['share']].append(record['correlation'])
    cells = {
        key: f'{statistics.mean(group):.2f} ({len(group)})'
        for key, group in groups.items()
    }
    title = (
        'Rank correlation (Spearman) between supernets and the table, over random '
        'networks (number of supernets):'
    )
    return f'{title}\n\n{_by_target("networks of", cells)}'


def _by_target(title: str, cells: dict[tuple[str, float], str]) -> str:
    """A table with a row for each search and a column for each target."""
    names = sorted({name for name, _ in cells})
    shares = sorted({share for _, share in cells}, reverse=True)
    rows = [
        f'| {title} | ' + ' | '.join(f'{share:.0%}' for share in shares) + ' |',
        '|' + '---|' * (len(shares) + 1),
    ]
    for name in names:
        values = ' | '.join(cells.get((name, share), '') for share in shares)
        rows.append(f'| {name} | {values} |')
    return '\n'.join(rows)


def insert(path: Path, text: str, begin: str, end: str) -> None:
    """Put a text between its marks, or at the end of the file."""
    page = path.read_text() if path.exists() else '# Results\n'
    before, mark, rest = page.partition(begin)
    after = rest.partition(end)[2] if mark else '\n'
    if not mark:
        before = before.rstrip('\n') + '\n\n'
    with atomic_file(path) as file:
        file.write(f'{before}{begin}\n\n{text}\n\n{end}{after}'.encode())
