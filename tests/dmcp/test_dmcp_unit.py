"""Units are registered types, and a project may bring its own."""

from mmdmcp import DMCPChannelUnit
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
    algorithm.mutator.alpha.data.fill_(-20.0)
    assert algorithm.mutator.choose('expected')[0] == stem.num_channels // 2
