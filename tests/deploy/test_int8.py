"""An int8 file predicts almost what the network does, and is smaller."""

import numpy as np
import onnx
import pytest
import torch

from mmdmcp import ConfigError
from mmdmcp.cli import main
from mmdmcp.deploy import int8
from mmdmcp.deploy.onnx import export_onnx
from mmdmcp.deploy.predictor import OnnxPredictor
from mmdmcp.deploy.validation import Validation
from mmdmcp.registry import MODELS

CONFIG = 'configs/pruning/dmcp/resnet14_digits.py'


@pytest.fixture(scope='module')
def trained(repo_root, tmp_path_factory):
    """The digits network after a few steps: its validation, file and model."""
    validation = Validation(str(repo_root / CONFIG))
    from mmengine.config import Config

    torch.manual_seed(0)
    model = MODELS.build(Config.fromfile(repo_root / CONFIG).model)
    model.init_weights()
    model.train()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.05, momentum=0.9)
    for _ in range(15):
        for batch in validation.loader:
            data = model.data_preprocessor(batch, True)
            optimizer.zero_grad()
            model.parse_losses(model(**data, mode='loss'))[0].backward()
            optimizer.step()
    model.eval()
    path = tmp_path_factory.mktemp('int8') / 'net.onnx'
    export_onnx(model, str(path), (1, 8, 8))
    return validation, model, path


def test_int8_keeps_the_predictions_and_a_third_of_the_size(trained, tmp_path):
    validation, model, path = trained
    images = int8.calibration_images(model, validation.loader, 100, (1, 8, 8))
    assert sum(map(len, images)) == 100
    out = tmp_path / 'int8.onnx'
    int8.quantize(path, out, images)
    kinds = [node.op_type for node in onnx.load(out).graph.node]
    assert 'QuantizeLinear' in kinds and 'DequantizeLinear' in kinds
    assert 0 < int8.largest_difference(path, out, images) < 0.2
    assert out.stat().st_size < 0.5 * path.stat().st_size
    exact, quantised = (
        np.mean(
            [
                int(p.pred_label) == int(p.gt_label)
                for batch in validation.loader
                for p in predictor.val_step(batch)
            ]
        )
        for predictor in (model, OnnxPredictor(model, out))
    )
    assert exact > 0.5 and abs(exact - quantised) < 0.05


def test_a_file_is_evaluated_like_the_network(trained):
    validation, model, path = trained
    ours, its = (
        validation.metrics(model),
        validation.metrics(OnnxPredictor(model, path)),
    )
    assert ours == pytest.approx(its)


def test_other_calibrations_are_refused(trained, tmp_path):
    with pytest.raises(ConfigError, match="method='max'.*minmax, entropy"):
        int8.quantize(trained[2], tmp_path / 'x.onnx', [], method='max')


def test_a_model_of_no_known_task_can_not_be_evaluated(trained):
    with pytest.raises(ConfigError, match='Linear is no classifier'):
        OnnxPredictor(torch.nn.Linear(1, 1), trained[2])


def test_the_command_prints_each_files_metrics(
    trained, repo_root, tmp_path, capsys, monkeypatch
):
    _, model, _ = trained
    monkeypatch.chdir(tmp_path)
    torch.save(dict(state_dict=model.state_dict()), 'net.pth')
    full = repo_root / 'configs/pruning/dmcp'
    subnet = tmp_path / 'S.yaml'
    from mmdmcp.dmcp import DMCP

    search = DMCP(model, target='99%', input_shape=(1, 8, 8))
    search.set_widths('max')
    search.export_subnet().save(subnet)
    arguments = [
        'export',
        str(full / 'dmcp_resnet14_subnet_digits.py'),
        'net.pth',
        'net.onnx',
        '--subnet',
        str(subnet),
        '--int8',
        'net_int8.onnx',
        '--calibration-images',
        '64',
        '--evaluate',
    ]
    assert main(arguments) == 0
    said = capsys.readouterr().out
    for line in ('calibrated with 64 images', 'PyTorch: ', 'ONNX: ', 'int8: '):
        assert line in said
