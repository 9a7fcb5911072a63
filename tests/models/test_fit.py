"""Neck and heads expect what the pruned backbone gives."""

import pytest
import torch
from torch import nn

from mmdmcp import ConfigError
from mmdmcp.models.fit import FittedModel, check_fit, fill_in_channels
from mmdmcp.registry import MODELS

CHANNELS = [106, 155, 1024, 2048]
SUBNET = 'pruning/dmcp/DMCP_SUBNET_IMAGENET.yaml'
BACKBONE = dict(
    type='mmdmcp.PrunedBackbone',
    cfg=dict(type='mmpretrain.ResNet', depth=50, out_indices=(0, 1, 2, 3)),
    subnet=SUBNET,
)


def head(**options):
    return dict(type='Head', channels=512, **options)


@pytest.mark.parametrize(
    'stock, filled',
    [
        # an FPN takes all outputs; the heads behind it stay
        (
            dict(
                neck=dict(in_channels=[256, 512, 1024, 2048]),
                bbox_head=dict(in_channels=256),
            ),
            dict(neck=dict(in_channels=CHANNELS), bbox_head=dict(in_channels=256)),
        ),
        # some necks list the deepest output first
        (
            dict(neck=dict(in_channels=(2048, 1024, 512, 256))),
            dict(neck=dict(in_channels=(2048, 1024, 155, 106))),
        ),
        # a tuple stays one: JPU of mmseg takes no list
        (
            dict(neck=dict(in_channels=(1, 2, 3, 4))),
            dict(neck=dict(in_channels=(106, 155, 1024, 2048))),
        ),
        # necks in a row: the first one
        (
            dict(neck=[dict(in_channels=[1, 2, 3, 4]), dict(in_channels=256)]),
            dict(neck=[dict(in_channels=CHANNELS), dict(in_channels=256)]),
        ),
        # segmentation heads choose an output
        (
            dict(
                decode_head=head(in_channels=2048, in_index=3),
                auxiliary_head=[head(in_channels=1024, in_index=2)],
            ),
            dict(
                decode_head=head(in_channels=2048, in_index=3),
                auxiliary_head=[head(in_channels=1024, in_index=2)],
            ),
        ),
        (
            dict(decode_head=head(in_channels=[9, 9], in_index=[0, 2])),
            dict(decode_head=head(in_channels=[106, 1024], in_index=[0, 2])),
        ),
        (
            dict(decode_head=head(in_channels=9, in_index=-3, c1_in_channels=256)),
            dict(decode_head=head(in_channels=155, in_index=-3, c1_in_channels=106)),
        ),
        # a classifier takes the last; pooling in between has no channels
        (
            dict(neck=dict(type='Pool'), head=dict(in_channels=512)),
            dict(neck=dict(type='Pool'), head=dict(in_channels=2048)),
        ),
        (
            dict(neck=None, head=dict(in_channels=512), train_cfg=None),
            dict(neck=None, head=dict(in_channels=2048), train_cfg=None),
        ),
    ],
)
def test_in_channels_are_filled_in(stock, filled):
    before = repr(stock)
    assert fill_in_channels(stock, CHANNELS) == filled
    assert repr(stock) == before


@pytest.mark.parametrize(
    'stock, why',
    [
        (
            dict(neck=dict(in_channels=[256, 512])),
            r'neck: in_channels=\[256, 512\]'
            r' has 2 entries, the backbone has outputs of \[106, 155, 1024, 2048\]',
        ),
        (
            dict(decode_head=head(in_channels=3, in_index=4)),
            'decode_head: in_index=4 does not fit',
        ),
        (
            dict(decode_head=head(in_channels=[3], in_index=0)),
            'decode_head: in_index=0 does not fit',
        ),
    ],
)
def test_what_cant_be_filled_in_is_named(stock, why):
    with pytest.raises(ConfigError, match=why):
        fill_in_channels(stock, CHANNELS)


def test_a_fitted_model_is_the_hosts_own():
    stock = dict(
        type='mmpretrain.ImageClassifier',
        neck=dict(type='mmpretrain.GlobalAveragePooling'),
        head=dict(
            type='mmpretrain.LinearClsHead',
            num_classes=7,
            in_channels=64,
            loss=dict(type='mmpretrain.CrossEntropyLoss'),
        ),
        data_preprocessor=dict(type='mmpretrain.ClsDataPreprocessor'),
    )
    model = MODELS.build(
        dict(stock, type='mmdmcp.FittedModel', host=stock['type'], backbone=BACKBONE)
    )
    assert type(model).__name__ == 'ImageClassifier'
    assert model(torch.rand(2, 3, 64, 64)).shape == (2, 7)
    with pytest.raises(ConfigError, match='does not say its out_channels'):
        MODELS.build(
            dict(
                stock,
                type='mmdmcp.FittedModel',
                host=stock['type'],
                backbone=dict(type='mmpretrain.ResNet', depth=18),
            )
        )
    with pytest.raises(ConfigError, match='set model.pretrained=None'):
        MODELS.build(
            dict(
                stock,
                type='mmdmcp.FittedModel',
                host=stock['type'],
                pretrained='torchvision://resnet50',
                backbone=BACKBONE,
            )
        )


@pytest.mark.parametrize(
    'message, why',
    [('', 'raise AssertionError\\(message\\)'), ('one too few', 'one too few')],
)
def test_options_that_must_follow_are_an_error(message, why):
    """SSDNeck of mmdet: its out_channels begin with its in_channels."""

    def ssd(backbone, neck):
        if neck['in_channels'] != neck['out_channels'][:4]:
            raise AssertionError(message)

    neck = dict(in_channels=(1, 2, 3, 4), out_channels=(1, 2, 3, 4, 256))
    with pytest.raises(
        ConfigError,
        match=r'outputs of \[106, 155, 1024, 2048\] channels '
        rf'\({why}\): set the options that must follow',
    ):
        FittedModel(ssd, BACKBONE, neck=neck)


class Part(nn.Module):
    """A neck or head that says what it expects."""

    def __init__(self, in_channels=None, in_index=None):
        super().__init__()
        if in_channels is not None:
            self.in_channels = in_channels
        if in_index is not None:
            self.in_index = in_index


@pytest.fixture(scope='module')
def backbone():
    return MODELS.build(BACKBONE)


def host(backbone, **parts):
    model = nn.Module()
    model.backbone = backbone
    for name, part in parts.items():
        setattr(model, name, part)
    check_fit(nn.Sequential(model))
    return model


@pytest.mark.parametrize(
    'parts',
    [
        dict(neck=Part(CHANNELS), bbox_head=Part(256)),
        dict(neck=Part(tuple(CHANNELS[::-1]))),
        dict(neck=nn.Sequential(Part(CHANNELS), Part(256))),
        dict(neck=Part(), head=Part(2048)),
        dict(decode_head=Part(1024, 2)),
        dict(decode_head=Part([106, 155], [0, 1])),
        dict(decode_head=Part(106 + 155, [0, 1])),
        dict(auxiliary_head=nn.ModuleList([Part(1024, 2), Part(155, 1)])),
        dict(head=Part(), other=Part(3)),
    ],
)
def test_parts_that_fit_pass(backbone, parts):
    host(backbone, **parts)


RIGHT = r'the pruned backbone gives \[106, 155, 1024, 2048\]'


@pytest.mark.parametrize(
    'parts, why',
    [
        (
            dict(neck=Part([256, 512, 1024, 2048])),
            r'Module.neck: in_channels is \[256, 512, 1024, 2048\], but ' + RIGHT,
        ),
        (dict(neck=nn.Sequential(Part([256, 512, 1024, 2048]))), RIGHT),
        (dict(neck=Part(), head=Part(512)), 'Module.head.*' + RIGHT),
        (dict(decode_head=Part(512, 1)), 'in_channels is 512, .*gives 155'),
        (
            dict(auxiliary_head=nn.ModuleList([Part(1024, 2), Part(512, 1)])),
            'auxiliary_head: .*gives 155',
        ),
    ],
)
def test_parts_that_do_not_fit_are_refused_with_the_right_list(backbone, parts, why):
    with pytest.raises(ConfigError, match=why):
        host(backbone, **parts)


def test_boxes_cut_from_the_backbone_need_its_channels(backbone):
    """DC5 detectors have no neck, and RoI heads no in_channels."""

    def roi_head(out_channels):
        part = Part()
        part.bbox_roi_extractor = nn.Module()
        part.bbox_roi_extractor.out_channels = out_channels
        return part

    host(backbone, roi_head=roi_head(2048))
    host(backbone, neck=Part(CHANNELS), roi_head=roi_head(256))
    with pytest.raises(
        ConfigError,
        match='Module.roi_head: bbox_roi_extractor.out_channels is 512, but ' + RIGHT,
    ):
        host(backbone, roi_head=roi_head(512))


def test_other_models_are_left_alone():
    host(nn.Conv2d(3, 4, 1), neck=Part([9]), head=Part(9))
