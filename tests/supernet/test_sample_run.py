"""Heads that only training runs shrink with the backbone and cost nothing."""

import pytest
import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from mmdmcp.subnet import apply
from mmdmcp.supernet import Supernet

SHAPE = (3, 32, 32)


def conv(inputs, outputs, stride=2):
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, 3, stride, padding=1),
        nn.BatchNorm2d(outputs),
        nn.ReLU(),
    )


class Head(nn.Module):
    def __init__(self, index, inputs):
        super().__init__()
        self.index = index
        self.conv = conv(inputs, 8, stride=1)
        self.seg = nn.Conv2d(8, 5, 1)

    def forward(self, features):
        return self.seg(self.conv(features[self.index]))


class Segmentor(nn.Module):
    """As mmseg's: auxiliary heads are no part of ``forward``."""

    def __init__(self, several=False):
        super().__init__()
        self.stages = nn.ModuleList([conv(3, 8), conv(8, 12), conv(12, 16)])
        self.decode_head = Head(2, 16)
        heads = [Head(1, 12), Head(0, 8)]
        self.auxiliary_head = nn.ModuleList(heads) if several else heads[0]

    def extract_feat(self, image):
        features = []
        for stage in self.stages:
            image = stage(image)
            features.append(image)
        return features

    def forward(self, image):
        return self.decode_head(self.extract_feat(image))


@pytest.mark.parametrize('several', [False, True])
def test_auxiliary_heads_fit_the_pruned_backbone(several):
    supernet = Supernet(Segmentor(several), SHAPE)
    names = [unit.name for unit in supernet.units]
    assert 'stages.1.0' in names
    aux = 'auxiliary_head.0.conv.0' if several else 'auxiliary_head.conv.0'
    assert aux in names
    subnet = supernet.subnet([n // 2 for n in supernet.full], 'dmcp')
    assert subnet.layers[aux].in_ == 6
    small = apply(Segmentor(several), subnet).eval()
    image = torch.rand(1, *SHAPE)
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        small(image)
    assert counter.get_total_flops() // 2 == subnet.cost['macs']
    features = small.extract_feat(image)
    heads = small.auxiliary_head if several else [small.auxiliary_head]
    for head in heads:
        assert head(features).shape[1] == 5


class RoIHead(nn.Module):
    """As mmdet's: boxes come from proposals, as many as there are."""

    with_mask = False

    def __init__(self):
        super().__init__()
        self.fc = nn.Linear(16 * 4, 20)
        self.cls = nn.Linear(20, 4)

    def _bbox_forward(self, features, rois):
        x = nn.functional.adaptive_avg_pool2d(features[-1], 2)
        x = x.expand(len(rois), -1, -1, -1).flatten(1)
        return dict(cls_score=self.cls(self.fc(x).relu()))


class Detector(nn.Module):
    def __init__(self):
        super().__init__()
        self.stages = nn.ModuleList([conv(3, 8), conv(8, 16)])
        self.rpn_head = nn.Conv2d(16, 2, 1)
        self.roi_head = RoIHead()
        self.test_cfg = dict(rpn=dict(max_per_img=7))

    def extract_feat(self, image):
        for stage in self.stages:
            image = stage(image)
        return [image]

    def rpn(self, features):
        return self.rpn_head(features[0])

    def forward(self, image):
        raise AssertionError('depends on what is detected')


def test_two_stage_detectors_are_seen_with_a_fixed_number_of_boxes():
    model = Detector()
    conv_head = model.rpn_head
    model.rpn_head = nn.Sequential()  # takes features, as mmdet's does
    model.rpn_head.forward = lambda features: conv_head(features[0])
    model.rpn_head.conv = conv_head
    supernet = Supernet(model, SHAPE)
    names = [unit.name for unit in supernet.units]
    assert names == ['stages.0.0', 'stages.1.0', 'roi_head.fc']
    # 7 boxes x (4 x 16 inputs x 20 + 20 x 4)
    boxes = 7 * (4 * 16 * 20 + 20 * 4)
    dense = 16 * 16 * 27 * 8 + 8 * 8 * (72 * 16 + 16 * 2)
    assert supernet.subnet(supernet.full, 'dmcp').cost['macs'] == boxes + dense
