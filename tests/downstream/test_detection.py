"""Pruned backbones in mmdet's detectors, trained and evaluated."""

import math
from pathlib import Path

import pytest
import torch
from mmengine.registry import MODELS, init_default_scope
from torch.nn.modules.module import register_module_forward_hook

from mmdmcp import ConfigError
from mmdmcp.apis import test as run_test
from mmdmcp.apis import train
from mmdmcp.deploy import load_pair
from mmdmcp.deploy.models import Plain
from mmdmcp.models.fit import check_fit

CONFIGS = {
    'RetinaNet': 'detection/retinanet_dmcp-r50_fpn_1x_coco.py',
    'FasterRCNN': 'detection/faster-rcnn_dmcp-r50_fpn_1x_coco.py',
}
ROOT = Path(__file__).parents[2] / 'configs'
CHANNELS = [106, 155, 1024, 2048]


@pytest.mark.parametrize('name', CONFIGS)
def test_a_detector_trains_and_is_evaluated(
    name, load, shorten, checkpoint, bccd, tmp_path
):
    cfg = bccd(load(CONFIGS[name]))
    head = cfg.model.get('bbox_head') or cfg.model.roi_head.bbox_head
    head.num_classes = 3
    # So few iterations find nothing worth a higher score.
    cfg.model.test_cfg.get('rcnn', cfg.model.test_cfg).score_thr = 0.0
    config = shorten(cfg, iterations=2)
    runner = train(config, work_dir=str(tmp_path / 'work'))
    model = runner.model
    assert type(model).__name__ == name
    assert model.neck.in_channels == model.backbone.out_channels == CHANNELS
    losses = runner.message_hub.get_scalar('train/loss')
    assert math.isfinite(losses.current())
    # The frozen stage still is what the classifier's checkpoint says.
    trained = torch.load(runner.work_dir + '/iter_2.pth', weights_only=True)[
        'state_dict'
    ]
    weights = torch.load(checkpoint, weights_only=True)['state_dict']
    for key in ('backbone.conv1.weight', 'backbone.layer1.2.conv3.weight'):
        assert torch.equal(trained[key], weights[key])
    key = 'backbone.layer4.0.conv1.weight'
    assert not torch.equal(trained[key], weights[key])
    metrics = run_test(
        config, runner.work_dir + '/iter_2.pth', work_dir=str(tmp_path / 'test')
    )
    assert -1 <= metrics['coco/bbox_mAP'] <= 1


def test_the_hosts_own_inference_builds_it(load):
    """mmdet's init_detector looks into model.backbone."""
    from mmdet.apis import init_detector

    cfg = load(CONFIGS['RetinaNet'])
    cfg.model.backbone.init_cfg.checkpoint = 'missing.pth'
    cfg.test_dataloader.dataset.update(metainfo=dict(classes=('a',)))
    model = init_detector(cfg, None, palette='random', device='cpu')
    assert model.neck.in_channels == CHANNELS


def stock():
    from mmengine.hub import get_config

    return get_config('mmdet::retinanet/retinanet_r50_fpn_1x_coco.py').model


def test_a_neck_with_the_stock_channels_gets_the_right_list(subnet_file):
    init_default_scope('mmdet')
    model = stock()
    model.backbone = dict(
        type='mmdmcp.PrunedBackbone', cfg=model.backbone, subnet=subnet_file
    )
    with pytest.raises(
        ConfigError,
        match=r'RetinaNet.neck: in_channels is \[256, 512, 1024, 2048\], '
        r'but the pruned backbone gives \[106, 155, 1024, 2048\]',
    ):
        check_fit(MODELS.build(model))
    model.neck.in_channels = CHANNELS
    assert MODELS.build(model).neck.in_channels == CHANNELS


@pytest.mark.parametrize('name', CONFIGS)
def test_both_models_of_a_config(name):
    """Two-stage hosts read options as attributes."""
    pair = load_pair(str(ROOT / CONFIGS[name]))
    assert pair.build_full().neck.in_channels == [256, 512, 1024, 2048]
    assert pair.build_pruned().neck.in_channels == CHANNELS


def test_both_models_of_channels_written_by_hand(tmp_path, subnet_file):
    path = tmp_path / 'by_hand.py'
    path.write_text(f"""
_base_ = 'mmdet::retinanet/retinanet_r50_fpn_1x_coco.py'
model = dict(
    backbone=dict(
        _delete_=True,
        type='mmdmcp.PrunedBackbone',
        cfg=_base_.model.backbone,
        subnet={subnet_file!r}),
    neck=dict(in_channels={CHANNELS}))
""")
    pair = load_pair(str(path))
    image = torch.rand(1, 3, 64, 64)
    for build in (pair.build_full, pair.build_pruned):
        assert len(Plain(build())(image)) == 10
    assert pair.build_full().neck.in_channels == [256, 512, 1024, 2048]


def test_building_runs_one_small_image_and_traces_nothing(load):
    """The time it takes: benchmarks/build_time.py."""
    init_default_scope('mmdet')
    cfg = load(CONFIGS['RetinaNet'])
    runs = []

    def note(module, inputs, output):
        runs.append((type(module).__name__, tuple(inputs[0].shape)))

    hook = register_module_forward_hook(note)
    try:
        MODELS.build(cfg.model)
    finally:
        hook.remove()
    whole = [run for run in runs if run[0] == 'ResNet']
    assert whole == [('ResNet', (1, 3, 32, 32))]
    assert sum(kind == 'Conv2d' for kind, _ in runs) == 53  # each once


def test_configs_are_a_few_lines():
    for name in CONFIGS.values():
        assert len((ROOT / name).read_text().splitlines()) < 20
