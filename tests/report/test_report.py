"""Tables and pictures."""

import pytest

from mmdmcp.cli import main
from mmdmcp.cost import Budget
from mmdmcp.dmcp.candidates import Candidate
from mmdmcp.errors import SubnetError
from mmdmcp.report import candidate_table
from mmdmcp.report.plots import plot_widths
from mmdmcp.subnet import LayerWidth, Subnet, UnitWidth


def subnet(**units):
    return Subnet(
        method='dmcp',
        units={k: UnitWidth(*v) for k, v in units.items()},
        layers={k: LayerWidth(in_=3, out=v[0]) for k, v in units.items()},
        cost=dict(macs=2_000_000, params=10, input_shape=[3, 8, 8]),
    )


def test_candidate_table_marks_the_chosen_one():
    rows = [
        Candidate(n, [], dict(macs=m), dict(top1=t))
        for n, m, t in (('expected', 99e6, 71.25), ('direct1', 101e6, 70.0))
    ]
    budget = Budget.parse(100_000_000, dict(macs=200_000_000))
    text = candidate_table(rows, rows[0], budget, 'top1')
    assert 'expected (chosen)' in text and 'direct1 (chosen)' not in text
    assert '-1.00%' in text and '+1.00%' in text and '71.25' in text


def test_plot_of_files_from_the_command_line(tmp_path):
    for name, width in (('A', 3), ('B', 5)):
        subnet(conv1=(width, 8), conv2=(2, 4)).save(tmp_path / f'{name}.yaml')
    code = main(
        [
            'plot',
            str(tmp_path / 'A.yaml'),
            str(tmp_path / 'B.yaml'),
            '-o',
            str(tmp_path / 'out.png'),
        ]
    )
    assert code == 0
    assert (tmp_path / 'out.png').read_bytes().startswith(b'\x89PNG')


def test_subnets_of_different_networks_are_refused(tmp_path):
    with pytest.raises(SubnetError, match='different networks'):
        plot_widths([subnet(a=(1, 2)), subnet(b=(1, 2))], 'ab', tmp_path / 'x.png')


def test_a_missing_file_is_an_error_of_one_line(tmp_path, capsys):
    assert main(['plot', str(tmp_path / 'none.yaml')]) == 1
    assert 'none.yaml' in capsys.readouterr().err
