"""Subnets of one network side by side."""

import re

import pytest

from mmdmcp.cli import main
from mmdmcp.errors import SubnetError
from mmdmcp.report.compare import comparison_table
from mmdmcp.report.plots import draw_saved, draw_widths
from mmdmcp.report.style import short_names
from report.example import example_subnet


def words(figure):
    """Every text of a figure's axes and legends."""
    (axes,) = figure.axes
    legend = figure.legends[0].get_texts()
    return [text.get_text() for text in [*axes.texts, *legend]]


def test_bars_are_shares_with_numbers_also_where_files_are_compared():
    pair = [example_subnet(), example_subnet(conv1=(4, 8), conv2=(4, 4))]
    figure = draw_widths(pair, ['a', 'b'])
    (axes,) = figure.axes
    assert [bar.get_width() for bar in axes.patches] == [3 / 8, 2 / 4, 4 / 8, 1.0]
    found = words(figure)
    for text in ('3/8 · 38%', '2/4 · 50%', '4/8 · 50%', '4/4 · 100%'):
        assert text in found
    assert 'a: 2.000 M FLOPs, 1.000 K parameters' in found


def test_saved_costs_are_shares_of_the_full_network():
    figure = draw_saved(['conv1', 'conv2'], [600, 400], [300, 400])
    (axes,) = figure.axes
    assert [bar.get_width() for bar in axes.patches] == [0.6, 0.4, 0.3, 0.4]
    assert {'-50%', 'whole'} <= set(words(figure))


def test_compare_prints_costs_and_writes_a_page(tmp_path, capsys):
    example_subnet().save(tmp_path / 'A.yaml')
    example_subnet(conv1=(6, 8), conv2=(3, 4)).save(tmp_path / 'B.yaml')
    files = [str(tmp_path / f'{name}.yaml') for name in 'AB']
    assert main(['compare', *files, '-o', str(tmp_path / 'c.html')]) == 0
    said = capsys.readouterr().out
    assert re.search(r'A .* 42%', said) and re.search(r'B .* 75%', said)
    assert '6 (75%)' in (tmp_path / 'c.html').read_text()
    assert (tmp_path / 'c' / 'widths.png').read_bytes().startswith(b'\x89PNG')


def test_other_networks_and_single_files_are_refused(tmp_path):
    other = example_subnet(conv1=(3, 16), conv2=(2, 4))
    with pytest.raises(SubnetError, match='different networks'):
        comparison_table([example_subnet(), other], 'ab')
    with pytest.raises(SystemExit):
        main(['compare', 'one.yaml'])


def test_short_names_stay_different():
    assert short_names(['a.x', 'a.y', 'b.z']) == ['x', 'y', 'b.z']
    assert short_names(['a.x', 'a.y', 'x']) == ['a.x', 'a.y', 'x']
    assert short_names(['conv1']) == ['conv1']
