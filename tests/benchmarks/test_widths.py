"""Searches judged by tables: networks, tables, records, and going on."""

from pathlib import Path

import numpy as np
import pytest
import torch
from scipy import stats

from benchmarks.widths import arms, records, search, smoothing, tables
from benchmarks.widths.bench import Bench
from benchmarks.widths.networks import ChannelBenchNet, NATSNet
from benchmarks.widths.plan import Plan
from benchmarks.widths.ranking import rank_correlation
from mmdmcp.cost import count

FOLDER = Path(__file__).resolve().parents[3] / 'shared' / 'data' / 'width_bench'
IMAGE = torch.zeros(1, 3, 32, 32)


def params(net):
    return sum(p.numel() for p in net.parameters())


def small_table(per_channel=1000, widths=(8, 16), positions=5):
    """Every choice among a few widths; wider is better."""
    grid = np.stack(np.meshgrid(*[widths] * positions, indexing='ij'), -1)
    rows = grid.reshape(-1, positions)
    macs = (rows * per_channel).sum(axis=1)
    accuracy = rows.sum(axis=1, keepdims=True) / 2
    return tables.Table('small', NATSNet, rows, accuracy, macs, macs, 1)


class Images:
    """Batches of noise, each a function of its number."""

    device = torch.device('cpu')

    def train_batch(self, seed, number, batch):
        generator = torch.Generator().manual_seed(1000 * seed + number)
        return dict(
            inputs=torch.randn(batch, 3, 32, 32, generator=generator),
            data_samples=torch.randint(10, (batch,), generator=generator),
        )


# ---- networks -----------------------------------------------------------


@pytest.mark.parametrize(
    ('width', 'parameters', 'macs'), [(8, 11714, 4481114), (64, 713674, 274399882)]
)
def test_nats_networks_have_the_published_counts(width, parameters, macs):
    net = NATSNet([width] * 5).eval()
    assert params(net) == parameters
    # The authors count the ten biases of the classifier.
    assert count(lambda: net(IMAGE)) == macs - 10


@pytest.mark.parametrize(('name', 'uncounted'), [('nats', 10), ('channel_bench', 0)])
def test_networks_have_the_counts_of_their_rows(name, uncounted):
    if not FOLDER.exists():
        pytest.skip(f'{FOLDER} is not there')
    table = tables.load(name, FOLDER)
    for row in np.random.default_rng(0).choice(len(table.macs), 3):
        net = table.network(table.widths[row].tolist()).eval()
        assert params(net) == table.params[row]
        assert count(lambda: net(IMAGE)) == table.macs[row] - uncounted


@pytest.mark.parametrize(
    ('network', 'widths'),
    [(NATSNet, [16] * 5), (ChannelBenchNet, [16, 16, 16, 32, 32, 32, 32])],
)
def test_a_full_net_has_the_units_of_its_table(network, widths):
    from mmdmcp.supernet import Supernet

    supernet = Supernet(network(widths, search=True), (3, 32, 32))
    assert [unit.num_channels for unit in supernet.units] == widths


# ---- tables -------------------------------------------------------------


def test_a_place_is_the_share_of_the_band_that_is_worse():
    table = tables.Table(
        'one',
        NATSNet,
        np.array([[1], [2], [3], [4], [5]]),
        np.array([[10.0], [30.0], [20.0], [40.0], [99.0]]),
        np.array([970, 1000, 1000, 1010, 1011]),
        np.zeros(5),
        1,
    )
    place = table.place([2])  # its band: the first four
    assert place.percentile == 50
    assert (place.accuracy, place.median, place.best) == (30, 25, 40)


def noisy_table(noise, trainings=1):
    """Accuracy is a known polynomial of the logarithms of the widths, and luck."""
    rows = small_table(widths=(8, 16, 24, 32)).widths
    logs = np.log(rows / 32)
    truth = 90 + logs[:, :4] @ [1, 2, 3, 4] - logs[:, 0] * logs[:, 4] + logs[:, 1] ** 3
    random = np.random.default_rng(0)
    luck = random.normal(0, noise, (len(rows), trainings))
    macs = random.uniform(100_000, 1_000_000, len(rows))  # some at every target
    return truth, tables.Table(
        'noisy', NATSNet, rows, truth[:, None] + luck, macs, macs, 1
    )


def test_smoothed_accuracies_are_nearer_to_the_truth_than_trainings():
    truth, table = noisy_table(noise=0.0)
    np.testing.assert_allclose(table.smoothed, truth, rtol=0, atol=1e-6)
    truth, table = noisy_table(noise=0.3)
    # 56 coefficients of 1024 networks leave sqrt(56 / 1024) of the luck, 0.23.
    left = (table.smoothed - truth).std() / (table.accuracy - truth).std()
    assert left < 0.3


def test_the_place_of_a_network_is_known_without_its_luck():
    """One of the worst of its band has the best training."""
    truth, table = noisy_table(noise=0.0)
    rows = table.band(0.5 * table.full_macs)
    unlucky = rows[truth[rows].argmin()]
    trained = table.trainings.copy()
    trained[unlucky] = trained.max() + 1
    lucky = tables.Table(
        'lucky', NATSNet, table.widths, trained, table.macs, table.macs, 1
    )
    place = lucky.place(table.widths[unlucky].tolist())
    assert place.percentile > 90
    assert place.smoothed < 20


def test_noise_is_measured_by_what_was_not_fitted():
    truth, table = noisy_table(noise=0.3, trainings=3)
    found = smoothing.measure(table)
    # The luck of a mean of three, and of what a fit of the others adds to it.
    assert 0.3 / 3**0.5 < found['residual'] < 1.1 * 0.3 / 3**0.5
    # A third training: its own luck, and that of two others or of their fit.
    assert found['last_from_others'] == pytest.approx(0.3 * 1.5**0.5, rel=0.1)
    assert found['last_from_fit'] == pytest.approx(0.3, rel=0.1)
    for share, room in zip((0.5, 0.3, 0.15), found['room']):
        rows = table.band(share * table.full_macs)
        best = truth[rows].max() - truth[table.row(table.uniform(share))]
        assert room == pytest.approx(best, abs=0.3)
    spreads = [
        truth[table.band(share * table.full_macs)].std() for share in (0.5, 0.3, 0.15)
    ]
    assert found['spread'] == pytest.approx(np.mean(spreads), rel=0.1)


def test_the_nearest_network_costs_what_it_should():
    table = small_table()
    # Twice 16 and three times 8: the two that are wanted widest stay wide.
    found = table.nearest([3, 20, 4, 15, 5], 2 * 16000 + 3 * 8000)
    assert found == [8, 16, 8, 16, 8]


def test_rank_correlation_is_spearmans():
    first, second = np.random.default_rng(0).integers(0, 5, (2, 30))
    expected = stats.spearmanr(first, second).statistic
    assert rank_correlation(first, second) == pytest.approx(expected)


# ---- records ------------------------------------------------------------


def test_a_line_that_a_killed_process_left_is_dropped(tmp_path):
    path = tmp_path / 'x.jsonl'
    records.append(path, dict(arm='a'))
    with open(path, 'a') as file:
        file.write('{"arm": "ha')
    assert records.read(path) == [dict(arm='a')]
    records.append(path, dict(arm='b'))
    assert records.read(path) == [dict(arm='a'), dict(arm='b')]


def test_a_lock_is_held_by_one(tmp_path):
    path = tmp_path / 'x.lock'
    with records.locked(path, wait=False) as first:
        with records.locked(path, wait=False) as second:
            assert (first, second) == (True, False)
    with records.locked(path, wait=False) as again:
        assert again


# ---- a search -----------------------------------------------------------


def run(folder, share=0.5, stops=(4,), **options):
    plan = Plan(share, 0, iterations=4, batch=8, **options)
    for stop in stops:  # a new process each time
        one = search.Search(small_table(220_000), Images(), plan, folder)
        one.run(until=stop)
    return one


def test_a_search_that_was_killed_ends_as_it_would_have(tmp_path):
    whole = run(tmp_path / 'whole').algorithm.state_dict()
    killed = run(tmp_path / 'killed', stops=(1, 2, 3, 4)).algorithm.state_dict()
    assert all(torch.equal(whole[key], killed[key]) for key in whole)


@pytest.mark.parametrize(
    ('first', 'second'), [(0.6, 0.5), ((0.6, 0.5), 0.5), (0.5, (0.6, 0.5))]
)
def test_weights_before_the_chains_are_the_same_for_all(first, second, tmp_path):
    run(tmp_path, share=first, stops=(2,))
    shared = run(tmp_path, share=second).algorithm.state_dict()
    alone = run(tmp_path / 'alone', share=second).algorithm.state_dict()
    assert all(torch.equal(shared[key], alone[key]) for key in alone)


def test_a_finished_search_shows_its_first_half_again(tmp_path):
    """As where chains start is asked after searches from there were made."""
    half = run(tmp_path, stops=(2,))
    run(tmp_path)
    again = run(tmp_path, stops=(2,))
    assert again.algorithm.schedule.iteration == 2
    assert again.meter.macs == half.meter.macs


def test_training_is_metered(tmp_path):
    one = run(tmp_path, stops=(1,))
    # Three times the widest, the narrowest and two others, for 8 images.
    full, least = (
        one.algorithm.mutator.cost_of(widths)['macs'] for widths in ([16] * 5, [8] * 5)
    )
    assert 3 * 8 * (full + 3 * least) <= one.meter.macs <= 3 * 8 * (3 * full + least)


def test_gates_find_a_network_of_the_table(tmp_path):
    """The second time from its checkpoints alone, and the same."""
    bench = Bench(small_table(220_000), Images(), tmp_path, 12, 8)
    found = arms.ARMS['gates'](bench, 0.7, 0)
    assert bench.table.place(found['widths']).share == 0.7
    assert found['macs'] > 0
    assert all(1 <= count <= 16 for count in found['counts'])
    assert arms.ARMS['gates'](bench, 0.7, 0) == found


@pytest.mark.parametrize('arm', ['importance', 'importance_taylor'])
def test_importance_finds_a_network_of_the_table(tmp_path, arm):
    bench = Bench(small_table(220_000), Images(), tmp_path, 4, 8)
    found = arms.ARMS[arm](bench, 0.7, 0)
    assert bench.table.place(found['widths']).share == 0.7
    assert sum(found['counts']) < 5 * 16
