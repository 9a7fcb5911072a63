"""The chains, against enumeration, closed forms and finite differences."""

import itertools
import math

import numpy as np
import pytest
import torch

from mmdmcp.cost.bisect import used_up_at
from mmdmcp.dmcp.markov import PARAMETRISATIONS, Chains
from mmdmcp.dmcp.step import natural

WIDTHS = [(2, 4, 7), (1, 2, 3, 8), (5,)]


def transition(alpha, parametrisation):
    if parametrisation == 'sigmoid':
        return 1 / (1 + math.exp(-alpha))
    return math.exp(-max(alpha, 0.0))


def enumerate_chain(widths, alphas, parametrisation):
    """{width: probability}, by walking every keep/drop decision."""
    chances = {}
    for decisions in itertools.product([0, 1], repeat=len(widths) - 1):
        chance, kept = 1.0, 0
        for decision, alpha in zip(decisions, alphas):
            p = transition(alpha, parametrisation)
            chance *= p if decision else 1 - p
        for decision in decisions:  # a group stays only if all before it do
            if not decision:
                break
            kept += 1
        chances[widths[kept]] = chances.get(widths[kept], 0) + chance
    return chances


@pytest.fixture(params=PARAMETRISATIONS)
def case(request):
    chains = Chains(WIDTHS, request.param)
    alpha = torch.randn(
        chains.shape, generator=torch.Generator().manual_seed(1)
    ).double()
    if request.param == 'exp':
        alpha = alpha.abs() / 3
    return chains, alpha


def test_expectation_is_that_of_the_enumerated_chain(case):
    chains, alpha = case
    expected = chains.expected(alpha)
    for row, widths in enumerate(WIDTHS):
        chances = enumerate_chain(widths, alpha[row].tolist(), chains.parametrisation)
        assert sum(chances.values()) == pytest.approx(1)
        assert expected[row].item() == pytest.approx(
            sum(w * p for w, p in chances.items()), abs=1e-9
        )


def test_marginals_are_cumulative_products(case):
    chains, alpha = case
    p = np.vectorize(transition)(alpha.numpy(), chains.parametrisation)
    np.testing.assert_allclose(
        chains.marginals(alpha).numpy(), np.cumprod(p, axis=1), rtol=1e-10
    )


def test_every_channel_has_the_marginal_of_its_group(case):
    chains, alpha = case
    scales = chains.channel_scales(alpha)
    marginals = chains.marginals(alpha)
    assert [len(s) for s in scales] == [w[-1] for w in WIDTHS]
    torch.testing.assert_close(
        scales[0],
        torch.cat(
            [
                torch.ones(2).double(),
                marginals[0, 0].repeat(2),
                marginals[0, 1].repeat(3),
            ]
        ),
    )
    assert (scales[2] == 1).all()  # no group: nothing can be dropped
    # The expected width is the sum of the channels' marginals.
    torch.testing.assert_close(
        torch.stack([s.sum() for s in scales]), chains.expected(alpha)
    )


def test_draws_follow_the_chain(case):
    chains, alpha = case
    num = 40000
    drawn = chains.draw(alpha, torch.Generator().manual_seed(0), num)
    assert drawn.shape == (num, len(WIDTHS))
    for row, widths in enumerate(WIDTHS):
        chances = enumerate_chain(widths, alpha[row].tolist(), chains.parametrisation)
        for width in widths:
            share = (drawn[:, row] == width).double().mean().item()
            # five standard deviations of a binomial share
            chance = chances[width]
            bound = 5 * math.sqrt(chance * (1 - chance) / num) + 1e-9
            assert abs(share - chance) <= bound


def test_uniform_draws_reach_every_width_equally():
    chains = Chains(WIDTHS, 'sigmoid')
    generator = torch.Generator().manual_seed(0)
    drawn = torch.stack([chains.draw_uniform(generator) for _ in range(6000)])
    for row, widths in enumerate(WIDTHS):
        found, counts = drawn[:, row].unique(return_counts=True)
        assert found.tolist() == list(widths)
        share = 1 / len(widths)
        bound = 5 * math.sqrt(share * (1 - share) / 6000) + 1e-9
        assert ((counts / 6000 - share).abs() <= bound).all()


def test_draws_are_decided_by_the_generator(case):
    chains, alpha = case
    drawn = [chains.draw(alpha, torch.Generator().manual_seed(7), 50) for _ in range(2)]
    assert torch.equal(*drawn)


def test_gradient_of_the_expectation(case):
    chains, alpha = case
    assert torch.autograd.gradcheck(chains.expected, alpha.clone().requires_grad_())
    assert torch.autograd.gradcheck(
        lambda a: torch.cat(chains.channel_scales(a)), alpha.clone().requires_grad_()
    )


def test_no_logit_is_dead_at_the_start_of_exp():
    chains = Chains([(1, 2, 3)], 'exp')
    alpha = torch.zeros(chains.shape, requires_grad=True)
    chains.expected(alpha).sum().backward()
    assert (alpha.grad < 0).all()


def test_starting_points_of_the_two_parametrisations():
    """alpha = 0: exp begins at full width, sigmoid at min + ~1 group."""
    widths = [tuple(range(10, 101, 10))]
    zero = torch.zeros(1, 9)
    assert Chains(widths, 'exp').expected(zero).item() == 100
    half = sum(10 * 0.5**g for g in range(1, 10))
    assert Chains(widths, 'sigmoid').expected(zero).item() == pytest.approx(10 + half)


def test_certain_chains_neither_overflow_nor_vanish():
    for parametrisation in PARAMETRISATIONS:
        chains = Chains([tuple(range(1, 60))], parametrisation)
        for value in (-200.0, 200.0):
            alpha = torch.full(chains.shape, value, requires_grad=True)
            expected = chains.expected(alpha)
            expected.sum().backward()
            assert 1 <= expected.item() <= 59
            assert torch.isfinite(alpha.grad).all()


@pytest.mark.parametrize('parametrisation', PARAMETRISATIONS)
def test_chains_at_the_extremes_still_learn(parametrisation):
    chains = Chains([tuple(range(10, 101, 10))], parametrisation)
    for logit, width in zip(chains.extremes(), (10, 100)):
        alpha = torch.full(chains.shape, logit, requires_grad=True)
        expected = chains.expected(alpha)
        expected.sum().backward()
        assert expected.item() == pytest.approx(width, rel=2e-3)
        assert alpha.grad[0, 0].abs() > 1e-3


@pytest.mark.parametrize(
    'parametrisation,bounds', [('sigmoid', (-30, 30)), ('exp', (30, 0))]
)
def test_common_logit_meets_the_target(parametrisation, bounds):
    chains = Chains(WIDTHS, parametrisation)

    def used(logit, target):
        return (
            chains.expected(torch.full(chains.shape, logit).double())
            .pow(2)
            .sum()
            .item()
            / target
        )

    for target in (40.0, 60.0, 120.0):
        logit = used_up_at(lambda logit: used(logit, target), *bounds)
        assert used(logit, target) == pytest.approx(1, rel=1e-6)


@pytest.mark.parametrize('parametrisation', PARAMETRISATIONS)
def test_the_natural_gradient_divides_by_fisher_information(
    parametrisation,
):
    """That of the distribution of widths, by enumerating them, in log-odds."""
    widths = (2, 4, 7, 8)
    odds = torch.tensor([[1.2, -0.4, 0.7]], dtype=torch.float64, requires_grad=True)
    log_p = torch.nn.functional.logsigmoid(odds)
    kept = torch.cat([torch.ones(1, 1), log_p.cumsum(1).exp()], dim=1)
    probability = kept - torch.cat([kept[:, 1:], torch.zeros(1, 1)], dim=1)
    assert probability.sum().item() == pytest.approx(1)
    fisher = torch.zeros(3, 3, dtype=torch.float64)
    for p in probability[0]:
        (score,) = torch.autograd.grad(p.log(), odds, retain_graph=True)
        fisher += p.detach() * score.T @ score
    (plain,) = torch.autograd.grad((probability * torch.tensor(widths)).sum(), odds)
    expected = torch.linalg.solve(fisher, plain[0])

    chains = Chains([widths], parametrisation, step='sign')
    alpha = (odds if parametrisation == 'sigmoid' else -log_p).detach().requires_grad_()
    chains.expected(alpha).sum().backward()
    alpha, gradient = alpha.detach(), alpha.grad * chains.slopes(alpha.detach())
    direction = natural(gradient, chains.information(alpha))
    torch.testing.assert_close(direction[0], expected)
    moved = alpha + 0.5 * direction
    chains.project_(moved, alpha)
    torch.testing.assert_close(
        chains.log_odds(moved), odds.detach() + 0.5 * direction, rtol=1e-6, atol=1e-6
    )


@pytest.mark.parametrize('parametrisation', PARAMETRISATIONS)
def test_steps_in_log_odds_end_where_chains_still_learn(parametrisation):
    """However far the optimiser went: p stays below 1, and above 0."""
    chains = Chains([(1, 2, 3)], parametrisation, step='sign')
    alpha = torch.tensor([[1.0, 1.0]])
    moved = alpha + torch.tensor([[100.0, -100.0]])
    chains.project_(moved, alpha)
    p = chains.log_transitions(moved).exp()
    assert torch.isfinite(moved).all()
    assert 0.999 < p[0, 0] < 1
    assert 0 < p[0, 1] < 0.001
