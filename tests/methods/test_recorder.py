"""What a search notes of itself agrees with the search."""

import math
import shutil
from pathlib import Path

import pytest
import torch
from mmengine.config import Config
from mmengine.runner import Runner

from mmdmcp.report.progress import entropy, progress
from mmdmcp.report.record import SearchRecord
from mmdmcp.report.run_folder import read_scalars
from mmdmcp.report.run_report import write_report
from mmdmcp.subnet import Subnet

NAME = 'DMCP_SUBNET_TINY'


def build(folder, **options):
    """The runner of a search of four iterations."""
    cfg = Config.fromfile(Path(__file__).parents[1] / 'faults/search_config.py')
    cfg.work_dir = str(folder)
    cfg.merge_from_dict(
        {
            'train_cfg.max_epochs': 4,
            'train_cfg.val_interval': 2,
            'train_dataloader.dataset.indices': 64,
            'train_dataloader.batch_size': 64,
            'val_dataloader.dataset.indices': 64,
            'param_scheduler': None,
            'default_hooks.checkpoint.interval': 2,
            'default_hooks.logger.interval': 1,
            **options,
        }
    )
    return Runner.from_cfg(cfg)


@pytest.fixture(scope='module')
def search(tmp_path_factory):
    """The work dir of a search, and its model."""
    folder = tmp_path_factory.mktemp('search')
    runner = build(folder)
    runner.train()
    return folder, runner.model


@pytest.fixture
def folder(search):
    return search[0]


@pytest.fixture
def model(search):
    return search[1]


@pytest.fixture
def copy(folder, tmp_path):
    """A copy of the work dir, to do something to."""
    return shutil.copytree(folder, tmp_path / 'copy')


def test_the_record_is_of_the_network_that_was_written(model, folder):
    record = SearchRecord.load(folder)
    (budget,) = record.budgets
    subnet = Subnet.load(folder / f'{NAME}.yaml')
    chosen = next(c for c in budget.candidates if c.name == budget.chosen)
    assert budget.name == NAME and record.iteration == record.max_iters == 4
    assert chosen.widths == [unit.channels for unit in subnet.units.values()]
    assert chosen.cost['macs'] == sum(budget.layer_macs) == subnet.cost['macs']
    assert budget.target == subnet.target
    full = model.cost_of('max')
    assert record.full.cost == full and sum(record.layer_macs) == full['macs']
    assert len(record.layers) == len(record.layer_macs) == len(budget.layer_macs)
    weights = model.architecture.state_dict().values()
    assert record.full.weight_bytes == sum(w.nbytes for w in weights)
    best = max(budget.candidates, key=lambda c: c.metrics[budget.rank_by])
    assert chosen.metrics == best.metrics


def test_the_history_ends_where_the_chains_are(model, folder):
    record = SearchRecord.load(folder)
    history = record.budgets[0].history
    assert [moment.iteration for moment in history] == [0, 1, 2, 3, 4]
    start, last = history[0], history[-1]
    with torch.no_grad():
        widths = model.mutator.expected_widths()
        cost = float(model.expected_cost())
    assert last.widths == pytest.approx(widths.tolist(), abs=1e-3)
    assert last.cost['macs'] == pytest.approx(cost)
    # They started at the target.
    assert start.cost['macs'] == pytest.approx(record.budgets[0].target['macs'])
    for unit, row, width in zip(record.units, last.marginals, last.widths):
        sizes = [b - a for a, b in zip(unit.widths, unit.widths[1:])]
        expected = unit.widths[0] + sum(s * p for s, p in zip(sizes, row))
        assert width == pytest.approx(expected, abs=0.01)


def test_curves_reach_the_log_and_every_backend(model, folder):
    rows = [row for row in read_scalars(folder) if 'search/moved' in row]
    assert [row['step'] for row in rows] == [1, 2, 3, 4]
    now = progress(*_budget(folder))
    assert rows[-1]['search/moved'] == now.moved > 0
    assert rows[-1]['search/entropy'] == now.entropy
    for unit, share in now.widths.items():
        assert rows[-1][f'width/{unit}'] == share
    # MMEngine's own values are in the same rows.
    assert all('loss' in row for row in rows)
    log = next(folder.glob('*/*.log')).read_text()
    assert '4 of 4 iterations: expected' in log and '% of the target)' in log


def _budget(folder):
    record = SearchRecord.load(folder)
    return record, record.budgets[0]


def resume(folder):
    build(folder, load_from=str(folder / 'epoch_2.pth'), resume=True).train()
    return SearchRecord.load(folder)


def test_a_resumed_search_goes_on_with_its_notes(copy):
    whole = SearchRecord.load(copy)
    again = resume(copy)
    assert again.budgets == whole.budgets and again.full == whole.full


def test_a_damaged_record_does_not_stop_a_search(copy):
    (copy / 'search.json').write_text('{')
    history = resume(copy).budgets[0].history
    assert [moment.iteration for moment in history] == [2, 3, 4]


def test_a_record_that_cant_be_written_does_not_stop_a_search(copy):
    (copy / 'search.json').unlink()
    (copy / 'search.json').mkdir()
    (copy / f'{NAME}.yaml').unlink()
    assert resume(copy) is None
    assert (copy / f'{NAME}.yaml').is_file()


def test_the_report_of_a_search_has_everything(folder, tmp_path):
    page = write_report(folder, tmp_path / 'r.html').read_text()
    for words in ('Where the cost was saved', 'The chains', 'Candidates for'):
        assert words in page


@pytest.mark.parametrize('num', [2, 3, 10])
def test_entropy_is_one_where_all_widths_are_equally_likely(num):
    marginals = [1 - k / num for k in range(1, num)]
    assert entropy(marginals) == pytest.approx(1.0)
    certain = [1.0] * (num - 1)
    assert entropy(certain) == 0.0
    # Shannon's, of a coin.
    p = 0.3
    coin = -(p * math.log(p) + (1 - p) * math.log(1 - p)) / math.log(2)
    assert entropy([p]) == pytest.approx(coin)
