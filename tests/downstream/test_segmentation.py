"""Pruned backbones in mmseg's segmentors, trained and evaluated."""

import copy
import math

import pytest
import torch
from mmengine.registry import MODELS, init_default_scope

from mmdmcp import ConfigError, SubnetError
from mmdmcp.apis import test as run_test
from mmdmcp.apis import train
from mmdmcp.models.fit import check_fit

CONFIGS = [
    'segmentation/fcn_dmcp-r50-d8_4xb4-80k_ade20k-512x512.py',
    'segmentation/deeplabv3plus_dmcp-r50-d8_4xb4-80k_ade20k-512x512.py',
]


@pytest.mark.parametrize('name', CONFIGS)
def test_a_segmentor_trains_and_is_evaluated(name, load, shorten, camvid, tmp_path):
    config = shorten(camvid(load(name)), iterations=2)
    runner = train(config, work_dir=str(tmp_path / 'work'))
    model = runner.model
    assert type(model).__name__ == 'EncoderDecoder'
    assert model.decode_head.in_channels == 2048
    assert model.auxiliary_head.in_channels == 1024
    if 'deeplab' in name:
        assert model.decode_head.c1_bottleneck.conv.in_channels == 106
    losses = runner.message_hub.get_scalar('train/loss')
    assert math.isfinite(losses.current())
    path = runner.work_dir + '/iter_2.pth'
    assert (
        torch.load(path, weights_only=True)['state_dict'][
            'backbone.conv1.weight'
        ].shape[0]
        == 52
    )
    metrics = run_test(config, path, work_dir=str(tmp_path / 'test'))
    assert 0 <= metrics['mIoU'] <= 100


def unfitted(cfg):
    """The same model as a stock config has it, channels by hand."""
    model = copy.deepcopy(cfg.model)
    model.type = model.pop('host')
    model.backbone.init_cfg = None
    return model


def test_a_head_with_other_channels_gets_the_right_ones(load):
    init_default_scope('mmseg')
    model = unfitted(load(CONFIGS[1]))
    with pytest.raises(ConfigError, match='decode_head: c1_in_channels is 256, .* 106'):
        check_fit(MODELS.build(model))
    model.decode_head.c1_in_channels = 106
    model.auxiliary_head.in_channels = 512
    with pytest.raises(
        ConfigError,
        match='EncoderDecoder.auxiliary_head: in_channels is 512, but '
        'the pruned backbone gives 1024',
    ):
        check_fit(MODELS.build(model))
    model.auxiliary_head.in_channels = 1024
    MODELS.build(model)


def test_a_deep_stem_is_explained(load):
    init_default_scope('mmseg')
    model = unfitted(load(CONFIGS[0]))
    model.backbone.cfg.type = 'ResNetV1c'
    with pytest.raises(SubnetError, match='conv1, bn1.*has a deep stem'):
        MODELS.build(model)


def test_the_stock_configs_weights_are_refused(load):
    """mmseg sets model.pretrained, the full network's."""
    init_default_scope('mmseg')
    model = unfitted(load(CONFIGS[0]))
    model.pretrained = 'open-mmlab://resnet50_v1c'
    with pytest.raises(ConfigError, match='set model.pretrained=None'):
        MODELS.build(model)
