"""Tables and plots of searches judged by tables."""

import pytest

from benchmarks.widths import plots, report, starts


def result(share, iterations, percentile, arm='dmcp_exp', seed=0, size=16):
    return dict(
        table='nats',
        arm=arm,
        share=share,
        seed=seed,
        iterations=iterations,
        batch=64,
        size=size,
        percentile=percentile - 10,
        smoothed=percentile,
        accuracy=92.0,
        epochs=iterations / 1500,
        widths=[8] * 5,
    )


def searched(lengths, shares=(0.5, 0.3, 0.15), **other):
    return [result(s, n, 50 + n / 100, **other) for n in lengths for s in shares]


def test_an_arm_has_lengths_where_three_have_every_target():
    found = searched([1000, 250, 500])
    found += searched([125], shares=[0.5])
    found += searched([250, 500], arm='votes')
    found += searched([125], size=32)
    (groups,) = report.lengths(found).values()
    assert [group[0]['iterations'] for group in groups] == [250, 500, 1000]


def test_a_row_has_means_over_targets_only_where_all_were_run():
    found = [result(0.5, 500, p, seed=s) for s, p in enumerate([80, 90])]
    assert '**85** (80 to 90); 75, 92.00' in report.section('nats', found)
    assert '|  | 0.33 |' in report.section('nats', found)
    found += [result(0.3, 500, 70), result(0.15, 500, 61)]
    assert '| 72 | 0.33 |' in report.section('nats', found)


def test_candidates_are_told_by_their_smoothed_percentiles():
    drawn = [
        dict(name=name, supernet=40.0, percentile=10.0, smoothed=smoothed)
        for name, smoothed in (('expected', 60.0), ('near1', 80.0), ('evolved', 0.0))
    ]
    found = [dict(result(0.5, 500, 80), candidates=drawn), result(0.3, 500, 70)]
    section = report.section('nats', found)
    assert '| candidates of | 50% |' in section
    assert '| dmcp_exp (500 x 64, 16 px) | 70 (60 to 80) |' in section


def test_correlations_are_a_row_each_with_an_empty_cell_where_none_is():
    found = [
        dict(result(share, 500, 80, seed=seed), correlation=found)
        for share, seed, found in ((0.5, 0, 0.5), (0.5, 1, 0.7))
    ]
    found.append(dict(result(0.3, 500, 80, arm='votes'), correlation=0.25))
    section = report.section('nats', found)
    assert '| dmcp_exp (500 x 64, 16 px) | 0.60 (2) |  |' in section
    assert '| votes (500 x 64, 16 px) |  | 0.25 (1) |' in section


def test_lengths_are_drawn_beside_what_needs_no_search(tmp_path):
    found = searched([250, 500, 1000])
    found += [dict(result(0.5, 500, 60), arm='uniform', iterations=None)]
    path = tmp_path / 'images' / 'lengths.png'
    plots.lengths(report.lengths(found), 'A table', found, path)
    assert path.read_bytes().startswith(b'\x89PNG')


@pytest.mark.parametrize('arm', ['uniform', 'smoothed'])
def test_what_trains_nothing_has_no_lengths(arm):
    found = searched([250, 500, 1000], arm=arm)
    assert not report.lengths([dict(r, iterations=None) for r in found])


def test_starts_are_a_row_each_with_their_seeds():
    """The mean of the seeds, the least of all targets, thirds of thirty targets."""
    record = dict(table='nats', iterations=500, batch=64, size=16, epochs=0.14)
    found = [
        dict(
            table='nats',
            trust=None,
            seed=None,
            percentiles=[40.0] * 30,
            smoothed=[50.0] * 30,
        ),
        dict(
            record,
            trust=starts.TRUST,
            seed=0,
            percentiles=[40.0] * 30,
            smoothed=[60.0] * 10 + [70.0] * 10 + [80.0] * 10,
            worth=[0.25, 0.75],
            correlation=0.5,
        ),
        dict(
            record,
            trust=starts.TRUST,
            seed=1,
            percentiles=[50.0] * 30,
            smoothed=[90.0] * 29 + [30.0],
            worth=[0.75, 0.25],
            correlation=0.7,
        ),
    ]
    table = starts.section(found[1:] + found[:1], report.TITLES)
    *_, uniform, fitted = table.splitlines()
    assert '| **50.0** | 50 | 50 | 50 | 50 | 40.0 |' in uniform
    assert (
        '**79.0** (70.0 to 88.0) | 30 | 75 | 80 | 82 | 45.0 | 0.60 | 0.50 0.50'
        in fitted
    )
    assert '(`init="fitted"`) | 500 x 64, 16 px |' in fitted
    assert fitted.endswith('| 0, 1 | 0.14 |')
