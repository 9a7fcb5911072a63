"""Schedules that were made for a run of another length."""

import pytest
from mmengine.config import Config

from mmdmcp.files import shipped_configs
from mmdmcp.preflight.schedules import schedule_notices


def notices(schedules, **loop):
    return schedule_notices(Config(dict(param_scheduler=schedules, train_cfg=loop)))


@pytest.mark.parametrize(
    'schedule, said',
    [
        (
            dict(begin=20, end=40),
            'param_scheduler.begin=20, but the run ends at epoch 2',
        ),
        (dict(end=40), 'param_scheduler.end=40, but the run ends at epoch 2'),
        (dict(begin=1, end=3), 'set param_scheduler.end=2'),
        (dict(begin=1, end=2), None),
        (dict(end=1), None),
        (dict(), None),
        (dict(end=1000, by_epoch=False), None),  # iterations of unknown epochs
    ],
)
def test_ends_beyond_the_run(schedule, said):
    found = notices(dict(type='CosineAnnealingLR', **schedule), max_epochs=2)
    assert len(found) == (said is not None)
    if said:
        assert said in found[0]


def test_each_is_named_by_its_key():
    found = notices(
        dict(
            architecture=[dict(type='A', end=2), dict(type='B', end=9, by_epoch=False)],
            mutator=[dict(type='C', begin=8, end=9, by_epoch=False)],
        ),
        max_iters=5,
    )
    assert [text.partition('=')[0] for text in found] == [
        'param_scheduler.architecture.1.end',
        'param_scheduler.mutator.0.begin',
    ]
    assert notices(None, max_epochs=2) == []


def test_shipped_searches_follow_their_length():
    """Whatever it is; MMEngine ends a schedule with the run."""
    files = [
        f for f in shipped_configs().rglob('*supernet*.py') if 'pruning' in f.parts
    ]
    assert len(files) >= 5
    for file in files:
        cfg = Config.fromfile(file)
        cfg.train_cfg.max_epochs = 2
        assert schedule_notices(cfg) == []
