"""Real processes over gloo: every rank computes the same search."""

from pathlib import Path

import pytest
import torch
from common.ranks import launch

SCRIPT = Path(__file__).with_name('search_rank.py')
STEPS = 4


def search(out, ranks, batch, *options):
    return launch(SCRIPT, ranks, out, batch, STEPS, *options)


def weights(result):
    return {
        k: v
        for k, v in result['state'].items()
        if v.is_floating_point() and 'running' not in k
    }


@pytest.fixture(scope='module')
def one_rank(tmp_path_factory):
    """One rank with all the samples; rank 0's initial weights count."""
    return search(tmp_path_factory.mktemp('ranks') / 'one', 1, 8)[0]


@pytest.mark.parametrize('ranks', [2, 4])
def test_ranks_equal_one_rank_with_all_samples(tmp_path, one_rank, ranks):
    """Weights and alphas, to float32 rounding after 4 steps."""
    results = search(tmp_path / 'r', ranks, 8 // ranks, '--slow-rank', str(ranks - 1))
    for result in results:
        assert result['draws'] == one_rank['draws']
        for name, value in weights(result).items():
            assert torch.equal(value, weights(results[0])[name]), name
            torch.testing.assert_close(
                value,
                weights(one_rank)[name],
                rtol=2e-3,
                atol=2e-5,
                msg=lambda m, name=name: f'{name}: {m}',
            )


def test_ranks_with_seeds_of_their_own_search_alike(tmp_path):
    """``diff_rank_seed``: the same networks, other samples; rank 0 writes."""
    script = Path(__file__).with_name('seeded_rank.py')
    first, second = launch(script, 2, tmp_path / 'r')
    assert first['seed'] != second['seed']
    assert first['drawn'] == second['drawn']
    assert torch.equal(first['alpha'], second['alpha'])
    assert sorted(first['samples'] + second['samples']) == list(range(64))
    assert {'DMCP_SUBNET_TINY.yaml', 'DMCP_SUBNET_TINY.pth', 'epoch_1.pth'} <= set(
        first['written']
    )
    assert second['written'] == []


def test_one_gradient_synchronisation_a_stage(tmp_path):
    """Four networks, one all-reduce; and one of the few alphas."""
    result = search(tmp_path / 'r', 2, 4)[0]
    tensors = [v for k, v in weights(result).items() if k.startswith('architecture')]
    # one number more a parameter: whether it has a gradient
    numel = sum(v.numel() + 1 for v in tensors)
    alphas = result['state']['mutator.alpha'].numel() + 1
    # the chains train from the second iteration on
    assert result['reductions'] == [numel] + [numel, alphas] * (STEPS - 1)


def test_no_synchronisation_while_gradients_accumulate(tmp_path):
    result = search(tmp_path / 'r', 2, 4, '--accumulate', '2')[0]
    # 4 iterations: 2 steps of the weights, 2 of the chains
    assert len(result['reductions']) == 4


def test_batch_norm_ranks_have_identical_weights(tmp_path):
    first, second = search(tmp_path / 'r', 2, 4, '--norm', 'BN')
    for name, value in weights(first).items():
        assert torch.equal(value, weights(second)[name]), name


def test_ranks_that_skip_different_layers_have_identical_weights(tmp_path):
    """Each drops a block of its own: its gradients count as zero there.
    One that all drop stays where it is, weight decay and momentum too."""
    script = Path(__file__).with_name('skipping_rank.py')
    first, second = launch(script, 2, tmp_path / 'r')
    for name, value in first['after'].items():
        assert torch.equal(value, second['after'][name]), name
        moved = not torch.equal(value, first['before'][name])
        assert moved != name.startswith('all.'), name


def test_small_networks_have_the_statistics_of_all_ranks(tmp_path):
    """Not those of rank 0's samples alone."""
    script = Path(__file__).with_name('exporting_rank.py')
    first, second = launch(script, 2, tmp_path / 'r')
    for name, value in first['after'].items():
        ranks = [r['before'][name] for r in (first, second)]
        assert not torch.equal(*ranks), name
        torch.testing.assert_close(value, sum(ranks) / 2)
        assert torch.equal(value, second['after'][name]), name
    written = torch.load(tmp_path / 'r' / 'GATE_SUBNET_RANKS.pth', weights_only=True)
    name = 'backbone.bn1.running_mean'
    assert set(written['state_dict'][name].tolist()) <= set(
        first['after'][name].tolist()
    )


def test_no_rank_leaves_before_the_last_checkpoint_is_written(tmp_path):
    """A launcher that sees one exit kills the others, and rank 0 writes."""
    script = Path(__file__).with_name('stopping_rank.py')
    for result in launch(script, 2, tmp_path / 'r'):
        assert result == dict(code=143, written=True)
