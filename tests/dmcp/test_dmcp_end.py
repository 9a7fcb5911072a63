"""How a search ends when something went otherwise than planned."""

import pytest
import torch
from mmengine.config import Config
from mmengine.hooks import Hook
from mmengine.runner import Runner

from mmdmcp.errors import TrainingError
from mmdmcp.registry import HOOKS
from mmdmcp.subnet import Subnet


@HOOKS.register_module()
class StopAfter(Hook):
    """Ends the loop as MMEngine's EarlyStoppingHook does."""

    def __init__(self, epochs):
        self.epochs = epochs

    def after_train_epoch(self, runner):
        runner.train_loop.stop_training = runner.epoch + 1 >= self.epochs


@pytest.fixture
def search(repo_root, tmp_path):
    """A function that runs a search of one iteration an epoch, and returns its
    log; the chains train from the second on."""

    def run(epochs=3, stop=None, **options):
        cfg = Config.fromfile(repo_root / 'tests/faults/search_config.py')
        cfg.work_dir = str(tmp_path)
        cfg.merge_from_dict(
            {
                'train_cfg.max_epochs': epochs,
                'train_cfg.val_interval': 100,
                'train_dataloader.dataset.indices': 64,
                'train_dataloader.batch_size': 64,
                'val_dataloader.dataset.indices': 64,
                **options,
            }
        )
        if stop:
            cfg.custom_hooks.append(dict(type='mmdmcp.StopAfter', epochs=stop))
        Runner.from_cfg(cfg).train()
        return next(tmp_path.glob('*/*.log')).read_text()

    return run


FILE = 'DMCP_SUBNET_TINY.yaml'


def test_without_trained_chains_nothing_is_written(search, tmp_path):
    with pytest.raises(TrainingError, match='ended at iteration 1 of 3, before the'):
        search(stop=1)
    assert not (tmp_path / FILE).exists()


def test_with_them_it_is_chosen_and_said(search, tmp_path):
    log = search(stop=2)
    assert 'the search was ended at iteration 2 of 3: the chains trained 1 of 2' in log
    assert (tmp_path / FILE).exists()


def test_a_whole_search_ended_when_it_should(search):
    log = search(epochs=2, **{'optim_wrapper.mutator.optimizer.lr': 1e-3})
    assert 'was ended at' not in log
    # One small step of the chains: next to nothing.
    assert 'the chains moved by 0.0' in log and 'no chain moved by a step' in log


def test_moves_are_those_of_the_ratios(build):
    mutator = build().mutator
    start = mutator.expected_widths().detach()
    assert mutator.moves().max() == 0
    with torch.no_grad():
        mutator.alpha[2] += 1
    moved = (start - mutator.expected_widths().detach())[2]
    moves = mutator.moves()
    assert moves[2].item() == pytest.approx(moved / mutator.units[2].num_channels)
    assert moves[2] > 0.05 and moves.sum() == moves[2]


@pytest.fixture
def metrics(monkeypatch):
    """A function that sets what the evaluations give, one after the other."""

    def give(*found):
        results = iter(found)
        monkeypatch.setattr('mmdmcp.dmcp.ranker.evaluate', lambda *_: next(results))

    return give


def chosen(log):
    """Name of the candidate that is marked in the table."""
    (row,) = (line for line in log.splitlines() if '(chosen)' in line)
    return row.split('│')[1].split()[0]


def test_no_metric_costs_no_result(search, tmp_path, metrics):
    metrics({}, {}, {})
    log = search()
    assert log.count('ranks last: its evaluation gave no metric') == 3
    assert chosen(log) == 'expected'
    assert (tmp_path / FILE).exists() and (tmp_path / 'DMCP_SUBNET_TINY.pth').exists()


@pytest.mark.parametrize('nothing', [{}, {'mAP': float('nan')}, {'mAP': None}])
def test_a_candidate_without_the_metric_ranks_last(search, metrics, nothing):
    metrics(nothing, {'mAP': -3.0}, nothing)
    log = search(**{'custom_hooks.0.rank_by': 'mAP'})
    assert chosen(log) == 'direct1'
    assert log.count('ranks last: its evaluation gave no mAP') == 2


def test_a_metric_that_none_has_gives_way(search, tmp_path, metrics):
    metrics({'a': 1.0}, {'a': 3.0}, {'a': 2.0})
    log = search(**{'custom_hooks.0.rank_by': 'mIoU'})
    assert "rank_by='mIoU': no candidate has such a metric, a ranks them" in log
    assert chosen(log) == 'direct1'
    # The weights are the chosen one's, too.
    subnet = Subnet.load(tmp_path / FILE)
    weights = torch.load(tmp_path / 'DMCP_SUBNET_TINY.pth', weights_only=True)
    for name, unit in subnet.units.items():
        assert len(weights['state_dict'][f'{name}.weight']) == unit.channels
