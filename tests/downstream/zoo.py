"""Stock detectors, segmentors and pose estimators, from the shipped configs."""

from pathlib import Path

import torch
from mmengine.config import ConfigDict
from mmengine.registry import init_default_scope

from mmdmcp.preflight.config import load_config
from mmdmcp.registry import MODELS

CONFIGS = Path(__file__).parents[2] / 'configs'
SMALL = (3, 64, 64)

#: Name to the config that prunes it, and a small size of image. Rows that are
#: quick are in every run of the tests.
ZOO: dict[str, tuple[str, tuple[int, int, int]]] = {
    'RTMDet-tiny': ('detection/importance_rtmdet-tiny_8xb32_coco', SMALL),
    'RTMDet-s': ('detection/importance_rtmdet-s_8xb32_coco', SMALL),
    'YOLOX-tiny': ('detection/importance_yolox-tiny_8xb8_coco', SMALL),
    'RetinaNet-R18': ('detection/importance_retinanet-r18_8xb2_coco', SMALL),
    'RetinaNet-R50': ('detection/importance_retinanet-r50_8xb2_coco', SMALL),
    # At 128 pixels a group norm of its head would meet a single value.
    'FCOS-R50': ('detection/importance_fcos-r50_8xb2_coco', (3, 256, 256)),
    'Faster R-CNN-R50': ('detection/importance_faster-rcnn-r50_8xb2_coco', SMALL),
    'DeepLabV3+-R18': (
        'segmentation/importance_deeplabv3plus-r18_4xb2_cityscapes',
        SMALL,
    ),
    'DeepLabV3+-R50': (
        'segmentation/importance_deeplabv3plus-r50_4xb2_cityscapes',
        SMALL,
    ),
    'PSPNet-R18': ('segmentation/importance_pspnet-r18_4xb2_cityscapes', SMALL),
    'STDC1': ('segmentation/importance_stdc1_4xb12_cityscapes', SMALL),
    'BiSeNetV2': ('segmentation/importance_bisenetv2_4xb4_cityscapes', SMALL),
    'DDRNet-23-slim': (
        'segmentation/importance_ddrnet23-slim_2xb6_cityscapes',
        (3, 128, 128),
    ),
    'PIDNet-S': ('segmentation/importance_pidnet-s_2xb6_cityscapes', (3, 128, 128)),
    'SegNeXt-t': ('segmentation/importance_segnext-t_1xb16_ade20k', SMALL),
    'SegFormer-b0': ('segmentation/importance_segformer-b0_8xb2_ade20k', SMALL),
    'RTMPose-t': ('pose/importance_rtmpose-t_8xb256_coco', (3, 256, 192)),
    'SimpleBaseline-R18': ('pose/importance_simplebaseline-r18_8xb64_coco', SMALL),
    'SimpleBaseline-R50': ('pose/importance_simplebaseline-r50_8xb64_coco', SMALL),
    'HRNet-w32': ('pose/importance_hrnet-w32_8xb64_coco', SMALL),
}
QUICK = ('RTMDet-tiny', 'STDC1', 'RTMPose-t')


def pruning_config(name: str) -> ConfigDict:
    """The model of a shipped config, small, without weights to download."""
    path, shape = ZOO[name]
    cfg = load_config(str(CONFIGS / f'{path}.py'))
    init_default_scope(cfg.default_scope)
    model = without_weights(cfg.model)
    model.input_shape = shape
    data = model.architecture.data_preprocessor
    if 'size' in data:  # mmseg's crops
        data.size = shape[1:]
    data.pop('batch_augments', None)  # images of random sizes
    return model


def full_model(name: str) -> torch.nn.Module:
    """The stock model, untouched, with random weights."""
    torch.manual_seed(0)
    return MODELS.build(pruning_config(name).architecture)


def without_weights(node):
    """The config with nothing to download."""
    if isinstance(node, dict):
        return ConfigDict(
            {
                key: None if key in ('pretrained', 'init_cfg') else without_weights(x)
                for key, x in node.items()
            }
        )
    if isinstance(node, (list, tuple)):
        return type(node)(map(without_weights, node))
    return node
