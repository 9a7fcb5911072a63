"""Networks of torchvision: searched by a wrapper, rebuilt without one."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
import torch
import torchvision
from mmpretrain.structures import DataSample

from mmdmcp import ConfigError
from mmdmcp import subnet as subnet_module
from mmdmcp.registry import MODELS

FILE = (
    Path(__file__).parents[2]
    / 'configs'
    / 'pruning'
    / 'dmcp'
    / 'DMCP_SUBNET_IMAGENET.yaml'
)
ARCHITECTURE = dict(type='mmdmcp.TorchvisionClassifier', name='resnet18', num_classes=7)


@pytest.fixture(scope='module')
def model():
    torch.manual_seed(0)
    return MODELS.build(ARCHITECTURE).eval()


def test_the_three_modes_of_mmengine(model):
    images = torch.rand(3, 3, 64, 64)
    samples = [DataSample().set_gt_label(i) for i in (1, 5, 6)]
    logits = model(images)
    assert torch.equal(logits, model.model(images))
    loss = model(images, samples, mode='loss')['loss']
    expected = -logits.log_softmax(1)[[0, 1, 2], [1, 5, 6]].mean()
    assert torch.isclose(loss, expected)
    predicted = model(images, samples, mode='predict')
    assert [int(s.pred_label) for s in predicted] == logits.argmax(1).tolist()
    assert torch.allclose(predicted[0].pred_score.sum(), torch.tensor(1.0))
    assert len(model(images, mode='predict')) == 3


def test_bad_options_are_named(model):
    with pytest.raises(ConfigError, match='resnet19.* it has alexnet'):
        MODELS.build(dict(ARCHITECTURE, name='resnet19'))
    with pytest.raises(ConfigError, match="mode='logits'"):
        model(torch.rand(1, 3, 32, 32), mode='logits')


@pytest.mark.parametrize('name, size', [('googlenet', 64), ('inception_v3', 96)])
def test_auxiliary_classifiers_are_left_out(name, size):
    model = dict(
        type='mmdmcp.TorchvisionClassifier',
        name=name,
        num_classes=5,
        options=dict(init_weights=False),
    )
    search = MODELS.build(
        dict(
            type='mmdmcp.DMCP',
            architecture=model,
            distillation='model.fc',
            input_shape=(3, size, size),
            target='50%',
        )
    ).train()
    search.set_widths('min')
    samples = [DataSample().set_gt_label(i) for i in (1, 4)]
    loss = search.architecture(torch.rand(2, 3, size, size), samples, mode='loss')[
        'loss'
    ]
    loss.backward()
    used = [p.grad is not None for p in search.architecture.parameters()]
    assert all(used)
    with pytest.raises(ConfigError, match='aux_logits=True: .* leave the op'):
        MODELS.build(dict(model, options=dict(aux_logits=True)))


def test_searched_by_the_wrapper_and_rebuilt_plain(tmp_path):
    torch.manual_seed(0)
    search = MODELS.build(
        dict(
            type='mmdmcp.DMCP',
            architecture=ARCHITECTURE,
            distillation='model.fc',
            input_shape=(3, 64, 64),
            target='50%',
        )
    ).eval()
    widths = search.set_widths('expected')
    assert len(widths) == 12
    path = tmp_path / 'DMCP_SUBNET_TV.yaml'
    search.export_subnet().save(path)
    plain = torchvision.models.resnet18(num_classes=7).eval()
    state = {
        key.removeprefix('architecture.model.'): value
        for key, value in search.state_dict().items()
        if key.startswith('architecture.model.')
    }
    plain.load_state_dict(state)
    subnet_module.apply(plain, path, 'model.')
    images = torch.rand(2, 3, 64, 64)
    assert torch.allclose(plain(images), search(images), atol=1e-5)
    # The same file retrains under MMEngine.
    small = MODELS.build(
        dict(type='mmdmcp.PrunedModel', cfg=ARCHITECTURE, subnet=str(path))
    )
    assert sum(p.numel() for p in small.parameters()) == sum(
        p.numel() for p in plain.parameters()
    )


SCRIPT = '''
import sys
sys.path.insert(0, {root!r})

class NoOpenMMLab:
    """As if none of OpenMMLab's packages were installed."""

    def find_spec(self, name, path=None, target=None):
        if name.split('.')[0] in (
                'mmengine', 'mmcv', 'mmpretrain', 'mmrazor', 'mmdet', 'mmseg'):
            raise ModuleNotFoundError(name)

sys.meta_path.insert(0, NoOpenMMLab())
import torch, torchvision
from torch.utils.flop_counter import FlopCounterMode
import mmdmcp.subnet

model = torchvision.models.resnet50()
mmdmcp.subnet.apply(
    model, {file!r}, prefix={{'backbone.': '', 'head.': ''}})
weights = torch.load({weights!r}, weights_only=True)['state_dict']
model.load_state_dict({{
    name.removeprefix('backbone.').removeprefix('head.'): value
    for name, value in weights.items()}})
model.eval()
with torch.no_grad(), FlopCounterMode(display=False) as counter:
    output = model(torch.load({image!r}))
print(counter.get_total_flops() // 2, output[0, :5].tolist())
'''


def test_a_plain_script_rebuilds_and_loads_the_published_resnet50(repo_root, tmp_path):
    """As on a machine with nothing but torch, torchvision and PyYAML."""
    torch.manual_seed(0)
    head = dict(
        type='mmpretrain.LinearClsHead',
        num_classes=1000,
        in_channels=2048,
        loss=dict(type='mmpretrain.CrossEntropyLoss'),
    )
    retrained = MODELS.build(
        dict(
            type='mmdmcp.PrunedModel',
            cfg=dict(
                type='mmpretrain.ImageClassifier',
                data_preprocessor=dict(type='mmpretrain.ClsDataPreprocessor'),
                backbone=dict(type='mmpretrain.ResNet', depth=50),
                neck=dict(type='mmpretrain.GlobalAveragePooling'),
                head=head,
            ),
            subnet=str(FILE),
        )
    ).eval()
    weights, image = str(tmp_path / 'w.pth'), str(tmp_path / 'x.pt')
    torch.save(dict(state_dict=retrained.state_dict()), weights)
    torch.save(torch.rand(1, 3, 224, 224), image)
    script = SCRIPT.format(
        root=str(repo_root), file=str(FILE), weights=weights, image=image
    )
    done = subprocess.run(
        [sys.executable, '-W', 'ignore', '-c', script], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    macs, *output = re.findall(r'[-\d.e]+', done.stdout)
    assert int(macs) == 2_194_130_032
    with torch.no_grad():
        expected = retrained(torch.load(image))[0, :5]
    assert torch.allclose(
        torch.tensor([float(value) for value in output]), expected, atol=1e-5
    )
