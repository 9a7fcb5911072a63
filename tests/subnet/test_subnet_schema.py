"""What format 1 may say."""

import copy

import pytest
import torch
import yaml

from mmdmcp import SubnetError
from mmdmcp.subnet import LayerWidth, Subnet, UnitWidth


def example() -> Subnet:
    return Subnet(
        method='gate',
        units={
            'backbone.conv1': UnitWidth(3, 8, kept=(0, 2, 7)),
            'backbone.conv2': UnitWidth(4, 4),
        },
        layers={
            'backbone.conv1': LayerWidth(out=3, out_kept=(0, 2, 7)),
            'backbone.bn1': LayerWidth(out=3, out_kept=(0, 2, 7)),
            'backbone.dw': LayerWidth(
                3, 3, groups=3, in_kept=(0, 2, 7), out_kept=(0, 2, 7)
            ),
            'head.fc': LayerWidth(in_=6),
        },
        cost=dict(macs=123, params=45, input_shape=(3, 8, 8)),
        target=dict(macs=120),
    )


TEXT = """\
format: 1
method: gate
cost: {macs: 123, params: 45, input_shape: [3, 8, 8]}
target: {macs: 120}
units:
  backbone.conv1: {channels: 3, of: 8, kept: 0 2 7}
  backbone.conv2: {channels: 4, of: 4}
layers:
  backbone.conv1: {out: 3, out_kept: 0 2 7}
  backbone.bn1: {out: 3, out_kept: 0 2 7}
  backbone.dw: {in: 3, out: 3, groups: 3, in_kept: 0 2 7, out_kept: 0 2 7}
  head.fc: {in: 6}
"""


def test_the_file_is_one_line_a_unit_and_one_line_a_layer(tmp_path):
    path = tmp_path / 'DMCP_SUBNET_X.yaml'
    example().save(path)
    assert path.read_text() == TEXT
    assert yaml.safe_load(TEXT) == example().to_dict()
    assert Subnet.load(path) == Subnet.from_dict(yaml.safe_load(TEXT)) == example()


def test_a_single_kept_index_survives_the_file(tmp_path):
    subnet = Subnet(
        'gate',
        {'a': UnitWidth(1, 99, kept=(93,))},
        {'a': LayerWidth(out=1, out_kept=(93,))},
        dict(macs=1, params=1, input_shape=[3, 8, 8]),
    )
    subnet.save(tmp_path / 'x.yaml')
    assert Subnet.load(tmp_path / 'x.yaml') == subnet


def test_the_first_n_need_no_list():
    assert UnitWidth(3, 8, kept=[0, 1, 2]) == UnitWidth(3, 8)
    assert LayerWidth(out=2, out_kept=(0, 1)) == LayerWidth(out=2)


def test_numbers_of_other_libraries_become_plain_ints():
    unit = UnitWidth(torch.tensor(3), torch.tensor(8), torch.tensor([1, 2, 3]))
    assert [type(i) for i in (unit.channels, unit.of, *unit.kept)] == [int] * 5


def test_a_subnet_cant_be_changed_by_accident():
    with pytest.raises(AttributeError):
        example().units['backbone.conv1'].channels = 4


def changed(*keys, to):
    data = copy.deepcopy(yaml.safe_load(TEXT))
    place = data
    for key in keys[:-1]:
        place = place[key]
    if to is None:
        del place[keys[-1]]
    else:
        place[keys[-1]] = to
    return data


ROW = ('layers', 'backbone.dw')
UNIT = ('units', 'backbone.conv1')


@pytest.mark.parametrize(
    'keys, to, why',
    [
        (('extra',), 1, "unknown key 'extra'; the keys are format, method"),
        (('format',), None, "key 'format' is missing"),
        (('format',), 2, 'format: 2; this version of mmdmcp reads format 1'),
        (('format',), '1', 'format'),
        (('format',), True, 'format'),
        (
            ('method',),
            'Gates',
            "'Gates' is no name of a method; write one such as dmcp",
        ),
        (('method',), 'x' * 33, 'no name of a method'),
        (('method',), '', 'no name of a method'),
        (('method',), 3, 'method'),
        (('cost',), None, "'cost' is missing"),
        (('cost', 'macs'), -1, 'cost: macs'),
        (('cost', 'macs'), 1.0, 'cost: macs: 1.0 is not a whole number'),
        (('cost', 'params'), '45', "cost: params: '45' is not a whole"),
        (('cost', 'macs'), 10**40, 'a huge number is out of range'),
        (('cost', 'Time'), 3, "cost: 'Time' is no name of a measure"),
        (('cost', 'input_shape'), 224, 'input_shape must be a list'),
        (('cost', 'input_shape'), [], 'input_shape must be a list'),
        (('cost', 'input_shape'), [3, 0, 224], 'input_shape: 0 is out of range'),
        (('target',), {}, 'target: is empty'),
        (('target', 'MACs!'), 3, "target: 'MACs!' is no name of a measure"),
        (('target', 'macs'), 0, 'target: macs: 0'),
        (('units',), {}, 'units: none'),
        (('units',), [], 'units: must hold keys and values'),
        (('units', 3), {}, 'key 3 is no name'),
        (('units', ''), {}, "key '' is no name"),
        (('units', 'x' * 501), {}, 'is no name'),
        (UNIT, 3, "units, 'backbone.conv1': must hold keys"),
        (
            ('units', 'backbone.conv2', 'channels'),
            5,
            "'backbone.conv2': channels: 5 is out of range; it must be from 1 to 4",
        ),
        ((*UNIT, 'channels'), 0, "'backbone.conv1': .*from 1"),
        ((*UNIT, 'channels'), True, 'number'),
        ((*UNIT, 'channels'), float('nan'), 'number'),
        ((*UNIT, 'of'), 2, 'channels: 3 is out of range'),
        ((*UNIT, 'of'), 2**30, 'of: 1073741824 is out of range'),
        ((*UNIT, 'of'), None, "key 'of' is missing"),
        ((*UNIT, 'kept'), '0 2', '2 indices are listed where 3'),
        ((*UNIT, 'kept'), '0 2 8', 'index 8 is out of range'),
        ((*UNIT, 'kept'), '0 7 2', 'out of order'),
        ((*UNIT, 'kept'), [0, 2, 7], 'must be ranges in quotes'),
        ((*UNIT, 'kept'), 93, 'must be ranges in quotes'),
        ((*UNIT, 'width'), 3, "'backbone.conv1': unknown key 'width'"),
        (('layers', 'backbone.conv1'), None, "'backbone.conv1' is missing"),
        (('layers', 'backbone.conv1'), {'in': 3}, 'has no out'),
        (('layers', 'backbone.conv1'), {'out': 2}, 'less than the 3 channels'),
        (('layers', 'head.fc'), {}, "'head.fc': needs in or out"),
        (('layers', 'head.fc'), {'in_': 6}, "unknown key 'in_'"),
        (('layers', 'head.fc'), {'in': 6, 'out_kept': '0'}, 'needs out, the num'),
        ((*ROW, 'in'), 0, "'backbone.dw': .*in"),
        ((*ROW, 'in'), '3', "in_kept needs in, the number .*it is '3'"),
        ((*ROW, 'out'), 4, '3 indices are listed where 4'),
        ((*ROW, 'groups'), 2, "'backbone.dw': in: 3 can't be divided into 2"),
        ((*ROW, 'groups'), 'all', "groups: 'all' is not a whole number"),
        ((*ROW, 'in_kept'), '0-9999999', '10000000 indices are listed where 3'),
    ],
)
def test_what_is_wrong_is_named(keys, to, why):
    with pytest.raises(SubnetError, match=why):
        Subnet.from_dict(changed(*keys, to=to))


@pytest.mark.parametrize('data', [None, 3, 'text', [], {}])
def test_what_is_no_subnet_at_all(data):
    with pytest.raises(SubnetError, match='the file'):
        Subnet.from_dict(data)


def test_errors_name_the_file(tmp_path):
    path = tmp_path / 'bad.yaml'
    path.write_text(TEXT.replace('of: 8', 'from: 8'))
    with pytest.raises(SubnetError, match="bad.yaml: .*unknown key 'from'"):
        Subnet.load(path)


def test_no_file_asks_for_gigabytes():
    """Each row is allowed, together they are too many indices."""
    rows = {
        f'layer{i}': {'out': 1 << 19, 'out_kept': f'1-{1 << 19}'} for i in range(1000)
    }
    data = changed('layers', to={**yaml.safe_load(TEXT)['layers'], **rows})
    with pytest.raises(SubnetError, match="'layer7': out_kept: more than 4194304"):
        Subnet.from_dict(data)


def test_rows_made_by_hand_must_be_rows():
    with pytest.raises(SubnetError, match='must be a UnitWidth'):
        Subnet(
            'dmcp',
            {'a': dict(channels=1, of=2)},
            {},
            dict(macs=1, params=1, input_shape=[3, 8, 8]),
        )
    with pytest.raises(SubnetError, match='must be whole numbers'):
        UnitWidth(2, 8, kept=(0.5, 2))
    with pytest.raises(SubnetError, match='must increase'):
        UnitWidth(2, 8, kept=(3, 3))
