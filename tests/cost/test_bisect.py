"""The number at which a budget is used up."""

import pytest

from mmdmcp.cost.bisect import used_up_at


def test_it_is_within_the_budget_and_next_to_its_end():
    found = used_up_at(lambda x: x**3 / 2, 0.0, 8.0)
    assert found**3 / 2 <= 1
    assert found == pytest.approx(2 ** (1 / 3), rel=1e-12)


def test_ends_may_be_in_any_order():
    assert used_up_at(lambda x: 3 - x, 8.0, 0.0) == pytest.approx(2)


def test_of_steps_it_is_the_last_one_that_is_within():
    assert round(used_up_at(lambda x: round(x) / 5, 0.0, 9.0)) == 5


def test_the_nearest_end_where_the_budget_lies_beyond():
    assert used_up_at(lambda x: x / 9, -8.0, 8.0) == pytest.approx(8)
    assert used_up_at(lambda x: 2.0, -8.0, 8.0) == -8
    assert used_up_at(lambda x: 10 - x, 8.0, 0.0) == 8
