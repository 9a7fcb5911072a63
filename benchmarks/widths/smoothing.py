"""How accurate each network of a table is, without the noise of its training.

A table has one training of each network, or three, and networks of equal cost are
close together, so much of what sets them apart is luck. But accuracy is a smooth
function of widths, and a table has thousands of networks to fit it to: a cubic
polynomial of the logarithms of the widths leaves hardly more than that luck, and says
better than two trainings of a network what its third one gives
(:func:`measure`).
"""

from collections.abc import Sequence
from itertools import combinations_with_replacement
from typing import Any

import numpy as np

DEGREE = 3
_FOLDS = 5
#: Targets that arms are compared at, of the full network's FLOPs.
COMPARED = (0.5, 0.3, 0.15)


def smooth(widths: np.ndarray, accuracy: np.ndarray) -> np.ndarray:
    """The polynomial at its own points, by least squares.

    Args:
        widths: ``[networks, positions]``.
        accuracy: ``[networks]``.

    Returns:
        ``[networks]``.
    """
    terms = _design(widths)
    return terms @ np.linalg.lstsq(terms, accuracy, rcond=None)[0]


def _design(widths: np.ndarray) -> np.ndarray:
    """All products of up to :data:`DEGREE` logarithms of widths as ratios of the
    full ones, ``[networks, terms]``."""
    logs = np.log(widths / widths.max(axis=0))
    products = [
        logs[:, list(which)].prod(axis=1)
        for degree in range(DEGREE + 1)
        for which in combinations_with_replacement(range(logs.shape[1]), degree)
    ]
    return np.stack(products, axis=1)


def measure(table: Any) -> dict:
    """How much of a table's accuracies is noise.

    Returns:
        Points of accuracy: ``spread`` among networks of equal cost, as a standard
        deviation; ``residual``, what the polynomial leaves of networks that it was
        not fitted to; ``room``, by how much the best network of each target is above
        uniform widths, smoothed; and, of a table with several trainings, what is
        between the last one and the polynomial fitted to the others, and between it
        and the mean of the others.
    """
    targets = [share * table.full_macs for share in COMPARED]
    bands = [table.band(target) for target in targets]
    uniform = [table.row(table.uniform(share)) for share in COMPARED]
    room = [
        table.smoothed[rows].max() - table.smoothed[row]
        for rows, row in zip(bands, uniform)
    ]
    spreads = [table.accuracy[rows].std() for rows in bands]
    found = dict(
        table=table.name,
        spread=round(float(np.mean(spreads)), 3),
        room=[round(float(each), 2) for each in room],
        residual=round(_cross_validated(table.widths, table.accuracy), 3),
    )
    if table.trainings.shape[1] > 1:
        *others, last = table.trainings.T
        mean = np.mean(others, axis=0)
        found.update(
            last_from_fit=round(float((last - smooth(table.widths, mean)).std()), 3),
            last_from_others=round(float((last - mean).std()), 3),
        )
    return found


def _cross_validated(widths: np.ndarray, accuracy: np.ndarray) -> float:
    terms = _design(widths)
    folds = np.random.default_rng(0).integers(0, _FOLDS, len(accuracy))
    left = np.empty(len(accuracy))
    for fold in range(_FOLDS):
        own = folds == fold
        fit = np.linalg.lstsq(terms[~own], accuracy[~own], rcond=None)[0]
        left[own] = accuracy[own] - terms[own] @ fit
    return float(np.sqrt((left**2).mean()))


def section(found: Sequence[dict], titles: dict[str, str]) -> str:
    """A table of the docs."""
    lines = [
        '### How noisy the tables are',
        '',
        '`python -m benchmarks.widths noise`; points of accuracy; '
        'standard deviations, but for the last column',
        '',
        '| table | networks of equal FLOPs | around the polynomial, networks it was '
        'not fitted to | a third training from the polynomial of the other two | from '
        'the mean of the other two | the best smoothed accuracy above that of uniform '
        'widths, 50, 30, 15% |',
        '|' + '---|' * 6,
    ]
    for record in found:
        extra = [
            f'{record[name]:.2f}' if name in record else ''
            for name in ('last_from_fit', 'last_from_others')
        ]
        lines.append(
            f'| {titles[record["table"]]} | {record["spread"]:.2f} | '
            f'{record["residual"]:.2f} | {" | ".join(extra)} | '
            f'{", ".join(f"{each:.2f}" for each in record["room"])} |'
        )
    return '\n'.join(lines)
