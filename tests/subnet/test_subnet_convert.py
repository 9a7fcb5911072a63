"""mmrazor's files: every shape of them, and the way back."""

import json
from dataclasses import dataclass

import pytest

from mmdmcp import SubnetError
from mmdmcp.compat import repair_mmrazor
from mmdmcp.subnet import LayerWidth, Subnet, UnitWidth
from mmdmcp.subnet.convert import (
    RazorUnit,
    from_mmrazor,
    parse_mmrazor,
    read_mmrazor,
    to_mmrazor,
    write_mmrazor,
)

NAME = 'backbone.conv1_(0, 64)_64'
WANTED = {NAME: RazorUnit('backbone.conv1', 0, 64, 52)}
ARGS = dict(num_channels=64, choice_mode='number', divisor=1, min_value=1,
            min_ratio=0.5)  # yapf: disable


@pytest.mark.parametrize(
    'content',
    [
        dict(
            type='DMCPChannelMutator',
            channel_unit_cfg=dict(
                type='DMCPChannelUnit',
                default_args=dict(choice_mode='number'),
                units={NAME: dict(init_args=ARGS, choice=52)},
            ),
            parse_cfg=dict(type='ChannelAnalyzer'),
        ),
        dict(type='X', units={NAME: dict(init_args=ARGS, choice=52)}),
        {NAME: dict(init_args=ARGS, choice=52)},
        {NAME: dict(choice=0.8125)},
        {NAME: dict(chosen=52)},
        {NAME: 52},
        {NAME: 0.82},
        {'backbone.conv1_(0,64)_64': 52},
    ],
)
def test_all_shapes_of_the_file_say_the_same(content):
    assert list(parse_mmrazor(content).values()) == list(WANTED.values())


def test_widths_are_rounded_as_mmrazor_rounds_them():
    repair_mmrazor()
    from mmrazor.models.utils import make_divisible

    for choice in (1, 7, 9, 27, 52, 64, 0.001, 0.37):
        for divisor, least, share in (
            (1, 1, 0.9),
            (8, 1, 0.9),
            (8, 1, 0.5),
            (1, 8, 0.9),
            (16, 16, 0.95),
        ):
            options = dict(divisor=divisor, min_value=least, min_ratio=share)
            unit = parse_mmrazor({NAME: dict(init_args=options, choice=choice)})[NAME]
            asked = choice if choice >= 1 else max(1, int(64 * choice))
            assert unit.channels == make_divisible(asked, divisor, least, share)


@pytest.mark.parametrize('content, why', [
    ([], 'holds no units'),
    ({}, 'holds no units'),
    (dict(channel_unit_cfg=dict(units={})), 'holds no units'),
    (dict(conv1=3), "'conv1' is not a unit's name"),
    ({'conv1_(0, 64)_': 3}, "is not a unit's name"),
    ({'a_(0, 9999999)_9999999': 3}, 'channels: 9999999 is out of range'),
    ({NAME: 'all'}, "choice: 'all' is not a whole number"),
    ({NAME: True}, 'choice'),
    ({NAME: None}, 'choice'),
    ({NAME: 0}, 'choice: 0 is out of range'),
    ({NAME: -0.5}, 'choice'),
    ({NAME: float('nan')}, 'choice'),
    ({NAME: float('inf')}, 'choice'),
    ({NAME: {}}, 'choice: None'),
    ({NAME: dict(init_args=3, choice=3)}, 'init_args must be a mapping'),
    ({NAME: dict(init_args=dict(divisor=0), choice=3)}, 'divisor: 0'),
    ({NAME: dict(init_args=dict(divisor=8, min_ratio='x'), choice=3)},
     "min_ratio: 'x'"),
])  # yapf: disable
def test_what_is_wrong_is_named(content, why):
    with pytest.raises(SubnetError, match=why):
        parse_mmrazor(content)


@pytest.mark.parametrize(
    'data', [b'', b'{', b'\xff', b'[' * 100_000, b'{"a": 1} x', b'"text"', b'3']
)
def test_files_that_are_none_of_mmrazors(tmp_path, data):
    path = tmp_path / 'x.json'
    path.write_bytes(data)
    with pytest.raises(SubnetError, match='x.json: '):
        read_mmrazor(path)
    with pytest.raises(SubnetError, match='none.json: '):
        read_mmrazor(tmp_path / 'none.json')


@dataclass
class Segment:
    start: int
    stop: int
    unit: int


@dataclass
class Layout:
    segments: list


@dataclass
class Layer:
    name: str
    out_layout: Layout


class Traced:
    """Two units: conv1 with conv3 tied to it, and half of conv2."""

    full = (8, 4)
    layers = (
        Layer('conv1', Layout([Segment(0, 8, 0)])),
        Layer('conv2', Layout([Segment(0, 4, None), Segment(4, 8, 1)])),
        Layer('conv3', Layout([Segment(0, 8, 0)])),
    )

    def subnet(self, widths, method):
        return dict(widths=widths, method=method)


@pytest.mark.parametrize(
    'units, widths',
    [
        ({'conv1_(0, 8)_8': 5}, [5, 4]),
        ({'conv3_(0, 8)_8': 5, 'conv2_(4, 8)_4': 3}, [5, 3]),
        ({'conv1_(0, 8)_8': 5, 'conv3_(0, 8)_8': 5}, [5, 4]),
        # what mmrazor lists beside the units, at full width
        ({'conv1_(0, 3)_3': 3, 'x_(0, 9)_9': 9, 'conv2_(4, 8)_4': 2}, [8, 2]),
        # named after a net half as wide: one choice is above its nominal width
        ({'conv1_(0, 4)_4': 6, 'conv2_(4, 8)_2': 2}, [6, 2]),
    ],
)
def test_units_are_found_by_layer_and_position(units, widths):
    if 'conv1_(0, 3)_3' in units:  # an input: the model has no such output
        units = {k.replace('conv1_(0, 3)', 'in_(0, 3)'): v for k, v in units.items()}
    found = from_mmrazor(parse_mmrazor(units), Traced())
    assert found == dict(widths=widths, method='dmcp')


@pytest.mark.parametrize(
    'units, why',
    [
        (
            {'conv1_(0, 8)_8': 12},
            'keeps 12 channels, more than the 8 of the model'
            ': .* at least 1.5 times as wide',
        ),
        (
            {'conv1_(0, 8)_8': 9, 'conv2_(4, 8)_4': 7},
            r'conv2_\(4, 8\)_4 keeps 7 .* 1.75 times as wide \(2 of 2',
        ),
        ({'conv1_(0, 16)_16': 8}, '16 channels, but the model has 8'),
        ({'conv9_(0, 8)_8': 3}, "no layer 'conv9'"),
        ({'conv2_(0, 4)_4': 3}, "no layer 'conv2' whose outputs from 0"),
        ({'conv1_(0, 8)_8': 5, 'conv3_(0, 8)_8': 6}, 'keeps 6 .*tied .*keeps 5'),
    ],
)
def test_units_of_another_model_are_refused(units, why):
    with pytest.raises(SubnetError, match=why):
        from_mmrazor(parse_mmrazor(units), Traced())


def test_what_is_written_reads_as_it_was(tmp_path):
    subnet = Subnet(
        'dmcp',
        {'backbone.conv1': UnitWidth(52, 64), 'backbone.conv2': UnitWidth(8, 8)},
        {'backbone.conv1': LayerWidth(out=52)},
        dict(macs=1, params=1, input_shape=[3, 32, 32]),
    )
    write_mmrazor(subnet, tmp_path / 'x.json')
    units = read_mmrazor(tmp_path / 'x.json')
    assert units[NAME] == WANTED[NAME]
    content = json.loads((tmp_path / 'x.json').read_text())
    assert content['parse_cfg']['demo_input'] == [1, 3, 32, 32]


def test_chosen_channels_cant_be_said_to_mmrazor():
    subnet = Subnet(
        'gate',
        {'a': UnitWidth(2, 8, (1, 3))},
        {'a': LayerWidth(out=2, out_kept=(1, 3))},
        dict(macs=1, params=1, input_shape=[3, 32, 32]),
    )
    with pytest.raises(SubnetError, match='a: keeps chosen channels'):
        to_mmrazor(subnet)


@pytest.mark.parametrize(
    'backbone, channels',
    [
        (dict(type='mmpretrain.ResNet', depth=18), 512),
        (dict(type='mmpretrain.MobileNetV2'), 1280),
    ],
)
def test_mmrazor_itself_builds_the_same_network(tmp_path, backbone, channels):
    """Our file, read by mmrazor, against our own rebuild."""
    import random

    from mmengine.registry import init_default_scope

    from mmdmcp import subnet as subnet_module
    from mmdmcp.registry import MODELS
    from mmdmcp.supernet import Supernet

    cfg = dict(
        type='mmpretrain.ImageClassifier',
        data_preprocessor=dict(type='mmpretrain.ClsDataPreprocessor'),
        backbone=backbone,
        neck=dict(type='mmpretrain.GlobalAveragePooling'),
        head=dict(
            type='mmpretrain.LinearClsHead',
            num_classes=5,
            in_channels=channels,
            loss=dict(type='mmpretrain.CrossEntropyLoss'),
        ),
    )
    supernet = Supernet(MODELS.build(cfg), (3, 64, 64))
    rng = random.Random(0)
    subnet = supernet.subnet([rng.randint(1, n) for n in supernet.full], 'dmcp')
    path = tmp_path / 'x.json'
    write_mmrazor(subnet, path)
    assert from_mmrazor(read_mmrazor(path), supernet) == subnet
    ours = subnet_module.apply(MODELS.build(cfg), subnet)
    init_default_scope('mmrazor')
    repair_mmrazor()
    from mmrazor.registry import MODELS as RAZOR

    theirs = RAZOR.build(
        dict(type='mmrazor.sub_model', cfg=cfg, fix_subnet=str(path), mode='mutator')
    )
    assert {k: v.shape for k, v in theirs.state_dict().items()} == {
        k: v.shape for k, v in ours.state_dict().items()
    }
