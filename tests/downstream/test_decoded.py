"""Files with boxes in their graph find what the host's own predict finds."""

from pathlib import Path

import onnx
import onnxruntime
import pytest
import torch
from downstream.zoo import full_model

from mmdmcp import ConfigError
from mmdmcp.deploy.decode import Decoded
from mmdmcp.deploy.models import Plain
from mmdmcp.deploy.onnx import export_onnx
from mmdmcp.deploy.predictor import OnnxPredictor, choose_boxes

SIZE = (3, 64, 96)


def with_an_opinion(model, images):
    """Heads that score places differently, as trained ones do, and keep some
    150 boxes of the images."""
    torch.manual_seed(0)
    with torch.no_grad():
        for weight in model.bbox_head.parameters():
            if weight.dim() == 4:
                weight.normal_(std=0.3 / weight[0].numel() ** 0.5)
        scores = Decoded(model, SIZE)(images)[1]
    threshold = 0.999 * float(scores.flatten().topk(150).values[-1])
    model.bbox_head.test_cfg.update(score_thr=threshold, nms_pre=100_000)
    return model


def photos(data_root):
    """Two of them, of different sizes, as a validation batch."""
    import cv2
    from mmdet.structures import DetDataSample

    files = sorted(Path(data_root, 'bccd/images').glob('*.jpg'))[:2]
    inputs, samples = [], []
    for file in files:
        image = cv2.imread(str(file))
        scaled = cv2.resize(image, SIZE[:0:-1])
        inputs.append(torch.from_numpy(scaled).permute(2, 0, 1))
        factor = SIZE[2] / image.shape[1], SIZE[1] / image.shape[0]
        meta = dict(img_shape=SIZE[1:], ori_shape=image.shape[:2], scale_factor=factor)
        samples.append(DetDataSample(metainfo=meta))
    return dict(inputs=inputs, data_samples=samples)


def found(predictions):
    """Boxes with class and score, in an order that does not depend on ties."""
    rows = []
    for number, sample in enumerate(predictions):
        p = sample.pred_instances
        table = torch.cat([p.bboxes, p.labels[:, None], p.scores[:, None]], 1)
        rows += [[number, *row] for row in table.tolist()]
    return torch.tensor(sorted([[round(x, 2) for x in row] for row in rows]))


def prepared(name, data_root):
    """A model with an opinion, a batch, its images, and what it predicts."""
    model, batch = full_model(name).eval(), photos(data_root)
    data = model.data_preprocessor(dict(batch), False)
    with_an_opinion(model, data['inputs'])
    with torch.no_grad():
        expected = found(model.val_step(dict(batch)))
    assert len(expected) > 20
    return model, batch, data, expected


@pytest.mark.parametrize('name', ['YOLOX-tiny', 'RetinaNet-R18'])
def test_what_is_decoded_is_what_the_head_predicts(name, data_root):
    model, _, data, expected = prepared(name, data_root)
    with torch.no_grad():
        outputs = Decoded(model, SIZE)(data['inputs'])
    its = found(choose_boxes(model, data['data_samples'], *outputs))
    assert its.shape == expected.shape
    assert torch.allclose(its, expected, atol=0.03)


def test_a_decoded_file_predicts_as_its_model(data_root, tmp_path):
    model, batch, data, expected = prepared('RTMDet-tiny', data_root)
    path = tmp_path / 'net.onnx'
    rows = export_onnx(model, str(path), SIZE, decode=True, nms=True)
    assert [row.output for row in rows] == ['boxes', 'scores']
    graph = onnx.load(path).graph
    assert graph.input[0].type.tensor_type.shape.dim[0].dim_param == 'batch'
    assert [x.name for x in graph.output] == ['boxes', 'scores', 'selected']
    by_onnx = found(OnnxPredictor(model, path).val_step(dict(batch)))
    session = onnxruntime.InferenceSession(str(path))
    outputs = session.run(None, {'image': data['inputs'].numpy()})[:2]
    decoded = map(torch.from_numpy, outputs)
    by_mmcv = found(choose_boxes(model, data['data_samples'], *decoded))
    for its in (by_onnx, by_mmcv):
        assert its.shape == expected.shape
        assert torch.allclose(its, expected, atol=0.03)


def test_other_heads_are_not_decoded():
    class Head(torch.nn.Module):
        pass

    model = torch.nn.Module()
    model.bbox_head = Head()
    with pytest.raises(ConfigError, match='a Module can be exported, but.*Leave'):
        Decoded(model, SIZE)


def test_of_two_stages_the_first_is_exported(tmp_path):
    model = full_model('Faster R-CNN-R50').eval()
    path = tmp_path / 'rpn.onnx'
    names = [row.output for row in export_onnx(model, str(path), (3, 64, 64))]
    assert names == [
        f'{kind}_{level}'
        for kind in ('features', 'rpn_cls_scores', 'rpn_bbox_preds')
        for level in range(5)
    ]
    assert len(Plain(model)(torch.rand(1, 3, 64, 64))) == 15
