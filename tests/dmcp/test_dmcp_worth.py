"""What pairs of networks tell, and where chains start by it."""

import copy
import itertools
import math

import numpy as np
import pytest
import torch

from mmdmcp.dmcp.markov import Chains
from mmdmcp.dmcp.worth import TRUST, Worth
from mmdmcp.ranking.balanced import best_network, best_widths
from mmdmcp.registry import MODELS

from .test_dmcp_algorithm import batch, optimisers, start

FULL = [16, 32, 64]


def law(k, widths):
    """The loss by the model, in NumPy."""
    return math.exp(0.3 - float(np.dot(k, np.log(widths))))


def taught(k, pairs=40, spoilt=()):
    """A Worth that met pairs of random networks; some with no loss at all."""
    rng = np.random.default_rng(0)
    worth = Worth(torch.tensor([0.25, 0.5, 0.25]).double())
    for number in range(pairs):
        widths = [[int(rng.integers(1, c + 1)) for c in FULL] for _ in range(2)]
        # What both networks of a pair have in common says nothing.
        common = rng.uniform(0.1, 10)
        losses = [common * law(k, w) for w in widths]
        if number in spoilt:
            losses[number % 2] = (0.0, -1.0, math.nan, math.inf)[number % 4]
        worth.add(widths, torch.tensor(losses, dtype=torch.float64))
    return worth


@pytest.mark.parametrize('spoilt', [(), range(1, 9)])
def test_pairs_tell_what_units_are_worth(spoilt):
    k = np.array([0.6, 0.1, 0.3])
    worth = taught(k, spoilt=spoilt)
    shares, alone = worth.shares(), worth.shares(trust=1)
    layers = np.array([0.25, 0.5, 0.25])
    np.testing.assert_allclose(alone.numpy(), k, rtol=1e-9)
    np.testing.assert_allclose(
        shares.numpy(), TRUST * k + (1 - TRUST) * layers, rtol=1e-9
    )


def test_without_pairs_all_layers_are_worth_the_same():
    assert taught([1, 1, 1], pairs=0).shares().tolist() == [0.25, 0.5, 0.25]


def test_too_few_pairs_and_a_unit_that_does_harm():
    """Nothing is worth less than nothing."""
    shares = taught(np.array([0.6, -0.2, 0.3]), pairs=1).shares()
    assert shares.sum().item() == pytest.approx(1)
    assert (shares > 0).all()
    harm = taught(np.array([0.5, -0.2, 0.5])).shares(trust=0.5)
    np.testing.assert_allclose(harm.numpy(), [0.375, 0.25, 0.375], rtol=1e-9)


def test_it_is_part_of_a_checkpoint():
    worth = taught(np.array([0.6, 0.1, 0.3]))
    other = Worth(torch.tensor([0.25, 0.5, 0.25]).double())
    other.load_state_dict(worth.state_dict())
    assert torch.equal(other.shares(), worth.shares())


# ---- the widths that it leads to ----------------------------------------


LOW, HIGH = torch.tensor([1.0, 1.0, 1.0]), torch.tensor([16.0, 32.0, 64.0])


def test_a_closed_form():
    """Of costs that add up, c[u] * w[u], each unit takes k[u] of the budget."""
    shares, prices = torch.tensor([0.2, 0.5, 0.3]), torch.tensor([2.0, 1.0, 0.5])
    price = prices.double()

    widths = best_widths(shares, lambda w: (w * price).sum() / 40, LOW, HIGH)

    wanted = 40 * shares.double() / price
    torch.testing.assert_close(widths, wanted, rtol=1e-3, atol=0)


def test_no_other_widths_of_a_grid_are_better():
    """Where widths occur in products, as in a residual block, and some end at
    their bounds: against all networks of a fine grid."""
    shares = torch.tensor([0.5, 0.2, 0.3], dtype=torch.float64)

    def used(w):
        return (w[..., 0] * (3 + 2 * w[..., 1]) + w[..., 1] * w[..., 2]) / 900

    def loss(w):
        return -(shares * w.log()).sum(-1)

    widths = best_widths(shares, used, LOW, HIGH)
    assert used(widths).item() == pytest.approx(1, rel=1e-6)
    axes = [np.geomspace(float(a), float(b), 90) for a, b in zip(LOW, HIGH)]
    grid = torch.tensor(np.array(list(itertools.product(*axes))))
    affordable = grid[used(grid) <= 1]
    assert loss(widths) <= loss(affordable).min() + 1e-6
    assert (affordable[loss(affordable).argmin()] / widths).log().abs().max() < 0.1


@pytest.mark.parametrize('scale, bound', [(1e-3, LOW), (1e3, HIGH)])
def test_a_budget_out_of_reach(scale, bound):
    widths = best_widths(torch.ones(3) / 3, lambda w: w.sum() / 60 / scale, LOW, HIGH)
    torch.testing.assert_close(widths, bound.double(), rtol=1e-6, atol=0)


@pytest.mark.parametrize('parametrisation', ['exp', 'sigmoid'])
@pytest.mark.parametrize('step', ['logit', 'sign'])
def test_logits_of_widths(parametrisation, step):
    chains = Chains([[2, 4, 6, 8], [1, 16], [4, 8]], parametrisation, step)
    for widths in ([2.5, 9.0, 5.0], [7.9, 1.1, 7.5]):
        wanted = torch.tensor(widths, dtype=torch.float64)
        alpha = chains.logits_at(wanted)
        torch.testing.assert_close(chains.expected(alpha), wanted, rtol=1e-9, atol=0)
    # Beyond the bounds chains end where they can still move.
    alpha = chains.logits_at(torch.tensor([0.0, 99.0, 0.0]))
    assert chains.expected(alpha)[1] > 15.9


# ---- in a search ---------------------------------------------------------


def searched(build, iterations=10, **options):
    algorithm = start(build(mutator=dict(init='fitted'), **options), iterations)
    wrappers = optimisers(algorithm)
    for number in range(iterations // 2):
        algorithm.train_step(batch(seed=number), wrappers)
    return algorithm, wrappers


@pytest.mark.parametrize('distillation', ['auto', None])
def test_chains_start_where_the_pairs_say(build, distillation):
    algorithm, wrappers = searched(build, distillation=distillation)
    mutator = algorithm.mutator
    # Of the second half of the iterations before: 2, 3 and 4.
    assert 0 < torch.linalg.matrix_rank(mutator.worth.gram) <= 3
    alike = mutator.ratios().tolist()
    before = mutator.worth.gram.clone()

    mutator.fit(algorithm.budgets, algorithm.tolerance)

    network = best_network(
        mutator.worth.shares(),
        mutator.supernet.cost,
        algorithm.budget,
        [unit.steps for unit in mutator.units],
        algorithm.tolerance,
    )
    assert algorithm.budget.gap(mutator.cost_of(network)) <= algorithm.tolerance
    torch.testing.assert_close(
        mutator.expected_widths().detach(),
        torch.tensor(network, dtype=torch.float64),
        rtol=1e-3,
        atol=1e-3,
    )
    assert mutator.ratios().tolist() != pytest.approx(alike, rel=1e-2)
    algorithm.train_step(batch(seed=9), wrappers)
    assert torch.equal(mutator.worth.gram, before)  # its draws are from chains


def test_each_budget_has_its_own_start_and_the_log_says_where(build, monkeypatch):
    algorithm, _ = searched(build, target=['70%', '40%'])
    said = []
    monkeypatch.setattr(
        'mmdmcp.dmcp.start.print_log', lambda text, **_: said.append(text)
    )
    algorithm.mutator.fit(algorithm.budgets, algorithm.tolerance)
    for turn, budget in enumerate(algorithm.budgets):
        assert str(budget) in said[turn]
        algorithm.serve(turn)
        assert algorithm.expected_cost().item() == pytest.approx(
            budget.values['macs'], rel=algorithm.tolerance + 1e-4
        )
        kept = algorithm.mutator.ratios()
        assert f'{kept.min():.2f} to {kept.max():.2f}' in said[turn]


def test_a_search_that_is_resumed_where_the_chains_start(build):
    algorithm, wrappers = searched(build)
    saved = copy.deepcopy((algorithm.state_dict(), wrappers.state_dict()))
    other = start(build(mutator=dict(init='fitted')))
    others = optimisers(other)
    other.load_state_dict(saved[0])
    others.load_state_dict(saved[1])
    for one, its in ((algorithm, wrappers), (other, others)):
        one.train_step(batch(seed=9), its)
    assert torch.equal(other.mutator.alpha, algorithm.mutator.alpha)


def test_other_starts_stay(build):
    algorithm = start(build(mutator=dict(init='target')))
    before = algorithm.mutator.alpha.clone()
    algorithm.mutator.fit(algorithm.budgets, algorithm.tolerance)
    assert torch.equal(algorithm.mutator.alpha, before)
    assert algorithm.mutator.worth is None


# ---- how many layers make a unit's channels --------------------------------


def makers(backbone, size):
    algorithm = MODELS.build(
        dict(
            type='mmdmcp.DMCP',
            architecture=dict(
                type='mmpretrain.ImageClassifier',
                backbone=backbone,
                neck=dict(type='mmpretrain.GlobalAveragePooling'),
                head=dict(
                    type='mmpretrain.LinearClsHead',
                    num_classes=10,
                    in_channels=64 if 'depth' in backbone else 1280,
                    loss=dict(type='mmpretrain.CrossEntropyLoss'),
                ),
            ),
            target='50%',
            input_shape=(3, size, size),
        )
    )
    counts = algorithm.mutator.supernet.cost.makers()
    return {u.name: n for u, n in zip(algorithm.mutator.units, counts)}


def test_the_layers_of_a_residual_stage():
    """The stem or the shortcut, and the last convolution of each of three blocks."""
    counts = makers(dict(type='mmdmcp.ResNetCifar', depth=20), 32)
    assert list(counts.values()) == [4, 1, 1, 1, 1, 4, 1, 1, 1, 4, 1, 1]


def test_depthwise_convolutions_make_nothing():
    counts = makers(dict(type='mmpretrain.MobileNetV2'), 32)
    expanded = [n for name, n in counts.items() if name.endswith('conv.0.conv')]
    assert len(expanded) == 16 and set(expanded) == {1}
    # The projections of the four blocks of 64 channels, which are added up.
    assert counts['backbone.layer4.0.conv.2.conv'] == 4, counts
