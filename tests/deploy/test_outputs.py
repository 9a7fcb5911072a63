"""Outputs of an exported model have names, and tools can read the file."""

import pytest
import torch
from mmengine.registry import init_default_scope
from torch import nn

from mmdmcp.deploy.models import Plain, full_model
from mmdmcp.deploy.onnx import export_onnx
from mmdmcp.deploy.outputs import output_names
from mmdmcp.registry import MODELS

ONE = torch.ones(2, 3)


class Head(nn.Module):
    """Like one of mmdet's: its loss takes what its forward returns."""

    def loss_by_feat(self, cls_scores, bbox_preds, batch_gt_instances, **_):
        """Never called."""


class Model(nn.Module):
    """A model with the given parts, that returns what it is given."""

    def __init__(self, output, **parts):
        super().__init__()
        self.output = output
        for name, part in parts.items():
            setattr(self, name, part)

    def forward(self, image):
        return self.output


@pytest.mark.parametrize(
    'parts, output, names',
    [
        (dict(head=nn.Linear(1, 1)), ONE, ['logits']),
        (dict(head=nn.Linear(1, 1)), (ONE,), ['logits']),
        (dict(decode_head=nn.Linear(1, 1)), ONE, ['logits']),
        (dict(head=nn.Linear(1, 1)), [ONE, ONE], ['logits_0', 'logits_1']),
        (
            dict(bbox_head=Head()),
            ([ONE, ONE], [ONE, ONE]),
            ['cls_scores_0', 'cls_scores_1', 'bbox_preds_0', 'bbox_preds_1'],
        ),
        (dict(bbox_head=Head()), ([ONE],) * 3, ['output_0', 'output_1', 'output_2']),
        (dict(backbone=nn.Linear(1, 1)), (ONE, ONE), ['features_0', 'features_1']),
        (dict(), dict(a=ONE, b=[ONE, (ONE, ONE)]), ['a', 'b_0', 'b_1_0', 'b_1_1']),
        (dict(), [dict(a=ONE), dict(a=ONE)], ['a', 'a_']),
    ],
)
def test_every_tensor_has_a_name_of_its_own(parts, output, names):
    model = Model(output, **parts)
    assert output_names(model, output) == names
    assert len(Plain(model)(ONE)) == len(names)


def test_a_backbone_of_mmpretrain():
    init_default_scope('mmpretrain')
    cfg = dict(type='ResNet', depth=18, out_indices=(2, 3))
    model = MODELS.build(dict(type='ImageClassifier', backbone=cfg)).eval()
    names = output_names(model, model(torch.rand(1, 3, 32, 32)))
    assert names == ['features_0', 'features_1']


def test_the_file_of_a_classifier(tmp_path):
    onnx = pytest.importorskip('onnx')
    pytest.importorskip('onnxruntime')
    from onnxruntime.quantization import quantize_dynamic

    model = full_model('pruning/dmcp/resnet14_digits.py').eval()
    path = tmp_path / 'net.onnx'
    (found,) = export_onnx(model, str(path), (1, 8, 8))
    assert found.output == 'logits'
    graph = onnx.load(path).graph
    sizes = {
        value.name: [
            d.dim_param or d.dim_value for d in value.type.tensor_type.shape.dim
        ]
        for value in (*graph.input, *graph.output)
    }
    assert sizes == {'image': ['batch', 1, 8, 8], 'logits': ['batch', 10]}
    known = {value.name for value in graph.value_info}
    assert known and not known & {weight.name for weight in graph.initializer}
    # Refused a file with the weights' shapes: dimension 0: (64) vs (10).
    quantize_dynamic(path, tmp_path / 'small.onnx')
    sizes = [(tmp_path / name).stat().st_size for name in ('small.onnx', 'net.onnx')]
    assert sizes[0] < 0.5 * sizes[1]
