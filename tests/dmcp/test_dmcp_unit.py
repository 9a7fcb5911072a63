"""Units are registered types, and a project may bring its own."""

import pytest
import torch

from mmdmcp import DMCPChannelUnit
from mmdmcp.errors import ConfigError
from mmdmcp.registry import MODELS


def test_units_are_registered():
    assert MODELS.get('mmdmcp.DMCPChannelUnit') is DMCPChannelUnit


def test_a_unit_of_ones_own_may_narrow_the_grid(build):
    """At least half of the stem's channels, whatever the grid says."""

    @MODELS.register_module(force=True)
    class WideStemUnit(DMCPChannelUnit):
        def __init__(self, name, num_channels, grid):
            if name == 'backbone.conv1':
                grid = [w for w in grid if 2 * w >= num_channels]
            super().__init__(name, num_channels, grid)

    try:
        algorithm = build(mutator=dict(unit='mmdmcp.WideStemUnit'))
    finally:
        MODELS._module_dict.pop('WideStemUnit')
    narrowest = dict(
        zip((u.name for u in algorithm.mutator.units), algorithm.set_widths('min'))
    )
    stem = algorithm.mutator.units[0]
    assert narrowest['backbone.conv1'] == stem.num_channels // 2
    assert narrowest['backbone.layer1.0.conv1'] < stem.num_channels // 2
    for widths in algorithm.mutator.chains.draw(
        algorithm.mutator.alpha, algorithm.mutator.generator, 50
    ).tolist():
        assert widths[0] >= stem.num_channels // 2
    algorithm.mutator.alpha.data.fill_(20.0)
    assert algorithm.mutator.choose('expected')[0] == stem.num_channels // 2


@pytest.mark.parametrize(
    'grid', [(), (0, 8), (4, 4, 8), (6, 4, 8), (4, 6), (4, 16), (-2, 8)]
)
def test_a_grid_that_is_none(grid):
    with pytest.raises(ConfigError, match='conv: .* ascending order, of which 8'):
        DMCPChannelUnit('conv', 8, grid)


def test_a_unit_speaks_mmrazors_words(build):
    algorithm = build()
    mutator, (first, second, *_) = algorithm.mutator, algorithm.mutator.units
    assert mutator.mutable_units == mutator.units
    first.current_choice = 3
    assert first.current_choice == algorithm.cut().backbone.conv1.out_channels == 3
    mutator.set_choices({second.name: 2})
    assert (first.current_choice, second.current_choice) == (3, 2)
    assert mutator.current_choices == {u.name: u.current_choice for u in mutator.units}
    for kind in ('random', 'direct'):
        drawn = mutator.sample_choices(kind)
        assert list(drawn) == list(mutator.choice_template)
        assert all(drawn[unit.name] in unit.choices for unit in mutator.units)
    generator = torch.Generator().manual_seed(0)
    drawn = {first.sample_choice(generator) for _ in range(300)}
    assert drawn == set(first.grid)
