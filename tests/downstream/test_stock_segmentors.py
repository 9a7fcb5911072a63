"""Stock segmentors with layers that run in training only."""

from pathlib import Path

import pytest
import torch
from mmengine.config import Config
from mmengine.model import revert_sync_batchnorm
from mmengine.registry import init_default_scope

from mmdmcp.registry import MODELS
from mmdmcp.subnet import apply
from mmdmcp.supernet import Supernet

SHAPE = (3, 128, 128)


def without_weights(node):
    """The config with nothing to download."""
    if isinstance(node, dict):
        return {
            key: None if key in ('pretrained', 'init_cfg') else without_weights(value)
            for key, value in node.items()
        }
    if isinstance(node, (list, tuple)):
        return type(node)(map(without_weights, node))
    return node


def build(config):
    import mmseg

    init_default_scope('mmseg')
    path = Path(mmseg.__file__).parent / '.mim' / 'configs' / config
    model = without_weights(Config.fromfile(path).model.to_dict())
    model['data_preprocessor']['size'] = SHAPE[1:]
    torch.manual_seed(0)
    return MODELS.build({**model, 'type': f'mmseg.{model["type"]}'})


def samples(count):
    from mmengine.structures import PixelData
    from mmseg.structures import SegDataSample

    return [
        SegDataSample(
            gt_sem_seg=PixelData(data=torch.randint(0, 19, (1, *SHAPE[1:]))),
            gt_edge_map=PixelData(data=torch.zeros(1, *SHAPE[1:]).long()),
            metainfo=dict(img_shape=SHAPE[1:]),
        )
        for _ in range(count)
    ]


@pytest.mark.parametrize(
    'config, aux',
    [
        (
            'ddrnet/ddrnet_23-slim_in1k-pre_2xb6-120k_cityscapes-1024x1024.py',
            'decode_head.aux_head.0.conv',
        ),
        (
            'pidnet/pidnet-s_2xb6-120k_1024x1024-cityscapes.py',
            'decode_head.p_cls_seg',
        ),
        (
            'bisenetv2/bisenetv2_fcn_4xb4-160k_cityscapes-1024x1024.py',
            'auxiliary_head.0.convs.0.conv',
        ),
    ],
)
def test_a_narrow_and_a_cut_segmentor_train(config, aux):
    model = build(config)
    supernet = Supernet(model, SHAPE)
    assert supernet.unmet == []
    # BiSeNetV2 has norms of both kinds; one process reverts some of them.
    model = revert_sync_batchnorm(model)
    widths = [max(1, n // 3) for n in supernet.full]
    supernet.select(widths)
    subnet = supernet.subnet(widths, 'dmcp')
    assert aux in subnet.layers
    small = revert_sync_batchnorm(apply(supernet.plain_copy(), subnet))
    image = torch.rand(2, *SHAPE)
    for net in (model, small):
        torch.manual_seed(0)
        losses = net.train()(image, samples(2), mode='loss')
        sum(v.mean() for k, v in losses.items() if 'loss' in k).backward()
    with torch.no_grad():
        one, other = model.eval()(image), small.eval()(image)
    assert torch.allclose(one, other, atol=1e-4)
    params = sum(p.numel() for p in small.parameters())
    assert params == subnet.cost['params']
