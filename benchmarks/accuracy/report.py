"""Tables and plots of the results."""

import statistics
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

from ..widths import records
from ..widths.report import insert
from . import plots
from .arms import WHOLE

BEGIN = '<!-- python -m benchmarks.accuracy report: begin -->'
END = '<!-- python -m benchmarks.accuracy report: end -->'
_ENOUGH = 3  # arms for a plot
TITLES = {'resnet20': 'ResNet-20', 'resnet56': 'ResNet-56'}


def line(record: dict) -> str:
    """One result, for the terminal."""
    device = 'core' if record['device'] == 'cpu' else 'GPU'
    return (
        f'{record["network"]} {record["arm"]} {record["share"]:.0%} seed '
        f'{record["seed"]}, {record["epochs"]} epochs: {record["accuracy"]:.2f} %, '
        f'{record["macs"] / 1e6:.2f} M FLOPs ({record["share_found"]:.1%}), '
        f'{record["seconds"] / 60:.1f} minutes of a {device}'
    )


def write(results: Path, docs: Path) -> None:
    """Print the tables; write them and the plots into the docs."""
    parts = []
    for name in TITLES:
        groups = defaultdict(list)
        for record in records.read(results / f'{name}.jsonl'):
            groups[record['epochs'], record['batch'], record['device']].append(record)
        for (epochs, batch, device), group in sorted(groups.items()):
            parts.append(section(name, group))
            image = f'images/retrained_{name}_{epochs}_b{batch}_{device}.png'
            if draw(TITLES[name], group, docs / image):
                parts.append(f'![Points above uniform widths]({image})')
    text = '\n\n'.join(parts)
    print(text)
    insert(docs / 'results.md', text, BEGIN, END)


def section(name: str, found: Sequence[dict]) -> str:
    """A table of the docs: an arm at a target a row."""
    epochs, on_gpu = found[0]['epochs'], found[0]['device'] != 'cpu'
    # Where it has not been trained at once, in the halves of the arms that prune it.
    reference = 'full' if any(r['arm'] == 'full' for r in found) else 'full_tuned'
    columns = [
        'FLOPs',
        'found',
        'network',
        'test accuracy, %',
        'above uniform',
        f'above `{reference}`',
        'seeds',
        'search, plain epochs',
    ]
    if not on_gpu:  # which trains several at once
        columns.append('core minutes')
    rows = [f'| {" | ".join(columns)} |', '|' + '---|' * len(columns)]
    top1 = _accuracies(found)
    groups = defaultdict(list)
    for record in sorted(found, key=lambda r: r['seed']):
        groups[record['share'], record['arm']].append(record)
    means = {k: statistics.mean(r['accuracy'] for r in g) for k, g in groups.items()}
    for key in sorted(groups, key=lambda k: (-k[0], -means[k])):
        share, arm = key
        group = groups[key]
        narrow = _above(top1, group, ('uniform', share))
        whole = _above(top1, group, (reference, 1.0))
        cells = [
            f'{share:.0%}',
            f'{statistics.mean(r["share_found"] for r in group):.1%}',
            f'`{arm}`',
            _spread([r['accuracy'] for r in group]),
            '' if arm in ('uniform', *WHOLE) else narrow,
            '' if arm == reference else whole,
            ', '.join(str(r['seed']) for r in group),
            f'{statistics.mean(r["search_epochs"] for r in group):.2f}',
        ]
        if not on_gpu:
            seconds = [r['seconds'] + r['search_seconds'] for r in group]
            cells.append(f'{statistics.mean(seconds) / 60:.1f}')
        rows.append(f'| {" | ".join(cells)} |')
    command = (
        f'`python -m benchmarks.accuracy run {name} --data-root data/cifar10 '
        f'--epochs {epochs}{" --device cuda" if on_gpu else ""}`'
    )
    title = f'### {TITLES[name]}, {epochs} epochs' + (' on a GPU' if on_gpu else '')
    return '\n'.join([title, '', command, '', *rows])


def draw(title: str, found: Sequence[dict], path: Path) -> bool:
    """A plot of the differences to uniform widths, if a target has enough arms.

    Returns:
        Whether it has.
    """
    top1 = _accuracies(found)
    targets: dict[float, dict[str, list[float]]] = defaultdict(
        lambda: defaultdict(list)
    )
    for (arm, share, seed), accuracy in top1.items():
        reference = top1.get(('uniform', share, seed))
        if arm != 'uniform' and reference is not None:
            targets[share][arm].append(accuracy - reference)
    if max(map(len, targets.values()), default=0) < _ENOUGH:
        return False
    plots.differences(targets, f'{title}, {found[0]["epochs"]} epochs', path)
    return True


def _accuracies(found: Sequence[dict]) -> dict[tuple[str, float, int], float]:
    """By arm, target and seed."""
    return {(r['arm'], r['share'], r['seed']): r['accuracy'] for r in found}


def _above(top1: dict, group: Sequence[dict], reference: tuple[str, float]) -> str:
    """Mean difference to another arm, seed by seed."""
    pairs = [
        r['accuracy'] - top1[(*reference, r['seed'])]
        for r in group
        if (*reference, r['seed']) in top1
    ]
    return _spread(pairs, '+') if pairs else ''


def _spread(values: Sequence[float], sign: str = '') -> str:
    """Mean, and the range where there are several."""
    text = f'{statistics.mean(values):{sign}.2f}'
    if len(values) > 1:
        text += f' ({min(values):{sign}.2f} to {max(values):{sign}.2f})'
    return text
