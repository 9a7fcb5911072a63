"""A rate that follows the length of the run."""

import pytest
import torch
from mmengine.optim import CosineAnnealingLR
from mmengine.registry import PARAM_SCHEDULERS

from mmdmcp import registry  # noqa: F401  (registers)
from mmdmcp.errors import ConfigError


def rates(iterations, epoch_length=7, **options):
    """The rate of every iteration, as a Runner's schedulers set it."""
    optimizer = torch.optim.SGD([torch.zeros(1)], lr=1.0)
    schedule = PARAM_SCHEDULERS.build(
        dict(convert_to_iter_based=True, eta_min_ratio=0.2, **options),
        default_args=dict(optimizer=optimizer, epoch_length=epoch_length),
    )
    found = []
    for _ in range(iterations):
        found.append(optimizer.param_groups[0]['lr'])
        optimizer.step()
        schedule.step()
    return found


def test_half_of_a_run_is_mmengines_second_half():
    ours = rates(280, type='mmdmcp.SearchCosineLR', begin=0.5, end=40)
    theirs = rates(280, type=CosineAnnealingLR, begin=20, end=40)
    assert ours == theirs
    assert set(ours[:140]) == {1.0} and ours[-1] == pytest.approx(0.2, abs=1e-3)


@pytest.mark.parametrize('epochs', [1, 2, 3])
def test_a_short_run_is_annealed_to_its_end(epochs):
    length = epochs * 7
    found = rates(length, type='mmdmcp.SearchCosineLR', begin=0.5, end=epochs)
    half = length // 2
    assert set(found[: half + 1]) == {1.0}
    assert found[-1] < 0.4 and found[half:] == sorted(found[half:], reverse=True)


def test_epochs_count_as_in_mmengine():
    ours = rates(35, type='mmdmcp.SearchCosineLR', begin=2, end=5)
    assert ours == rates(35, type=CosineAnnealingLR, begin=2, end=5)


@pytest.mark.parametrize(
    'begin, end, said',
    [
        (1.5, 4, 'begin=1.5: give a ratio'),
        ('x', 4, "begin='x'"),
        (0.5, None, 'give end'),
    ],
)
def test_what_is_no_beginning(begin, end, said):
    options = dict(begin=begin) if end is None else dict(begin=begin, end=end)
    with pytest.raises(ConfigError, match=said):
        rates(1, type='mmdmcp.SearchCosineLR', **options)
