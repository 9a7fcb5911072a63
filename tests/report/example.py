"""A small run, as a search leaves it."""

import json
from pathlib import Path

from mmdmcp.report.record import (
    BudgetRecord,
    Moment,
    NetworkRecord,
    SearchRecord,
    UnitRecord,
)
from mmdmcp.subnet import LayerWidth, Subnet, UnitWidth

NAME = 'DMCP_SUBNET_SMALL'
KEY = 'accuracy/top1'


def example_subnet(**units: tuple[int, int]) -> Subnet:
    """A subnet of one layer a unit, ``name=(channels, of)``."""
    units = units or dict(conv1=(3, 8), conv2=(2, 4))
    return Subnet(
        method='dmcp',
        units={k: UnitWidth(*v) for k, v in units.items()},
        layers={k: LayerWidth(in_=3, out=v[0]) for k, v in units.items()},
        cost=dict(macs=2_000_000, params=1000, input_shape=[3, 8, 8]),
        target=dict(macs=2_010_000),
    )


def example_record() -> SearchRecord:
    """Two units, one budget, two candidates."""
    full = NetworkRecord(
        'full', dict(macs=4_000_000, params=4000), [8, 4], {KEY: 91.25}, 16000
    )
    budget = BudgetRecord(
        NAME,
        dict(macs=2_010_000),
        [
            Moment(0, [6.0, 3.0], dict(macs=2_010_000.0), [[0.75, 0.5], [0.5]]),
            Moment(10, [3.0, 2.5], dict(macs=1_990_000.0), [[0.25, 0.125], [0.25]]),
        ],
        [
            NetworkRecord('expected', dict(macs=2_000_000, params=1000), [3, 2]),
            NetworkRecord('direct1', dict(macs=2_020_000, params=1001), [3, 4]),
        ],
        'expected',
        [1_200_000, 800_000],
        KEY,
    )
    for candidate, score in zip(budget.candidates, (88.5, 87.75)):
        candidate.metrics[KEY] = score
    return SearchRecord(
        'dmcp',
        10,
        10,
        [3, 8, 8],
        full,
        [UnitRecord('conv1', 8, [2, 4, 8]), UnitRecord('conv2', 4, [2, 4])],
        ['conv1', 'conv2'],
        [2_400_000, 1_600_000],
        [budget],
        dict(seed='3', command='mmdmcp train <config>.py'),
    )


def write_run(folder: Path) -> None:
    """The work dir of a search that was resumed once."""
    example_record().save(folder)
    example_subnet().save(folder / f'{NAME}.yaml')
    runs = {
        '20260101_000000': [
            dict(loss=2.0, epoch=1, iter=5, step=5),
            {'max/' + KEY: 80.0, 'step': 1},
            dict(loss=9.0, epoch=2, iter=10, step=10),
        ],
        '20260102_000000': [
            dict(loss=1.0, epoch=2, iter=10, step=10),
            {'max/' + KEY: 90.0, 'step': 2},
        ],
    }
    for name, rows in runs.items():
        data = folder / name / 'vis_data'
        data.mkdir(parents=True)
        text = '\n'.join(map(json.dumps, rows)) + '\n{"loss": 0.'  # it was killed
        (data / 'scalars.json').write_text(text)
        (data / 'config.py').write_text("model = dict(type='mmdmcp.DMCP')\n")
