"""Static pruned networks: the host's own model, small."""

import subprocess
import sys
from pathlib import Path

import mmengine
import pytest
import torch
from mmengine.model import is_model_wrapper
from mmengine.registry import init_default_scope
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import FlopCounterMode

from mmdmcp import CheckpointError, ConfigError, SubnetError
from mmdmcp.models.pruned import output_channels
from mmdmcp.registry import MODELS
from mmdmcp.subnet import Subnet

ROOT = Path(__file__).parents[2]
PUBLISHED = 'pruning/dmcp/DMCP_SUBNET_IMAGENET.yaml'


def classifier(num_classes=1000, **backbone) -> dict:
    return dict(
        type='mmpretrain.ImageClassifier',
        data_preprocessor=dict(
            type='mmpretrain.ClsDataPreprocessor', num_classes=num_classes
        ),
        backbone=dict(type='mmpretrain.ResNet', depth=50, **backbone),
        neck=dict(type='mmpretrain.GlobalAveragePooling'),
        head=dict(
            type='mmpretrain.LinearClsHead',
            num_classes=num_classes,
            in_channels=2048,
            loss=dict(type='mmpretrain.CrossEntropyLoss'),
        ),
    )


def pruned(cfg=None, subnet=PUBLISHED, **options):
    return MODELS.build(
        dict(
            type='mmdmcp.PrunedModel', cfg=cfg or classifier(), subnet=subnet, **options
        )
    )


def backbone(subnet=PUBLISHED, init_cfg=None, **options):
    cfg = dict(type='mmpretrain.ResNet', depth=50, out_indices=(0, 1, 2, 3))
    return MODELS.build(
        dict(
            type='mmdmcp.PrunedBackbone',
            cfg=dict(cfg, **options),
            subnet=subnet,
            init_cfg=init_cfg,
        )
    )


@pytest.fixture(scope='module')
def small():
    return pruned().eval()


@pytest.fixture(scope='module')
def checkpoint(small, tmp_path_factory):
    path = tmp_path_factory.mktemp('weights') / 'small.pth'
    torch.save(dict(state_dict=small.state_dict()), path)
    return str(path)


def test_the_published_resnet50_has_exactly_its_macs(small):
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        small(torch.rand(1, 3, 224, 224))
    assert counter.get_total_flops() // 2 == 2_194_130_032
    params = sum(p.numel() for p in small.parameters())
    assert params == Subnet.load(ROOT / 'configs' / PUBLISHED).cost['params']


def test_it_is_the_hosts_own_model(small):
    full = MODELS.build(classifier())
    assert type(small) is type(full)
    assert list(small.state_dict()) == list(full.state_dict())
    assert small.backbone.conv1.weight.shape == (52, 3, 7, 7)
    assert not is_model_wrapper(small)


@pytest.mark.parametrize('scope', ['mmengine', 'mmpretrain', 'mmrazor'])
def test_builds_from_any_scope(scope):
    init_default_scope(scope)
    model = mmengine.registry.MODELS.build(
        dict(type='mmdmcp.PrunedModel', cfg=classifier(), subnet=PUBLISHED)
    )
    assert model.backbone.conv1.out_channels == 52


def test_the_runners_data_preprocessor_goes_to_the_host():
    cfg = classifier()
    ours = cfg.pop('data_preprocessor')
    theirs = dict(type='mmpretrain.ClsDataPreprocessor', mean=[7, 7, 7], std=[1, 1, 1])
    model = pruned(cfg, data_preprocessor=theirs)
    assert model.data_preprocessor.mean.flatten().tolist() == [7, 7, 7]
    model = pruned(dict(cfg, data_preprocessor=ours), data_preprocessor=theirs)
    assert not model.data_preprocessor._enable_normalize


def test_a_missing_file_is_named():
    with pytest.raises(SubnetError, match='none.yaml: the file does not ex'):
        pruned(subnet='none.yaml')
    with pytest.raises(ConfigError, match='must be the path'):
        pruned(subnet=None)
    with pytest.raises(ConfigError, match='must be the config of a model'):
        MODELS.build(dict(type='mmdmcp.PrunedModel', cfg={}, subnet=PUBLISHED))


def test_paths_from_the_working_directory_come_first(tmp_path, monkeypatch, small):
    monkeypatch.chdir(tmp_path)
    assert pruned().backbone.conv1.out_channels == 52  # a shipped one
    (tmp_path / PUBLISHED).parent.mkdir(parents=True)
    (tmp_path / PUBLISHED).write_text('format: 2')
    with pytest.raises(SubnetError, match='reads format 1|key'):
        pruned()


def test_another_depth_or_head_is_refused():
    cfg = classifier()
    cfg['backbone']['depth'] = 34
    with pytest.raises(SubnetError, match='made for another model'):
        pruned(cfg)
    with pytest.raises(SubnetError, match='If only the head differs'):
        pruned(classifier(num_classes=10))
    model = pruned(classifier(num_classes=10), prefix={'': ''})
    assert model.head.fc.out_features == 10


def test_small_weights_load_and_those_of_others_are_refused(
    small, checkpoint, tmp_path
):
    init_cfg = dict(type='Pretrained', checkpoint=checkpoint)
    model = pruned(init_cfg=init_cfg)
    model.init_weights()
    for new, old in zip(model.parameters(), small.parameters()):
        assert torch.equal(new, old)
    # Those of the full network are sliced: test_sliced_weights.py.
    other = MODELS.build(classifier(num_classes=7))
    path = str(tmp_path / 'other.pth')
    torch.save(other.state_dict(), path)
    # Building for a test is not held up; training is.
    model = pruned(init_cfg=dict(type='Pretrained', checkpoint=path))
    with pytest.raises(
        CheckpointError,
        match=r'other.pth does not fit: backbone.conv1.weight is '
        r'\[64, 3, 7, 7\] there and \[52, 3, 7, 7\] here',
    ):
        model.init_weights()


def test_weights_of_the_full_network_inside_cfg_are_refused(checkpoint):
    zoo = dict(type='Pretrained', checkpoint='torchvision://resnet50')
    model = pruned(classifier(init_cfg=zoo))
    with pytest.raises(
        CheckpointError,
        match='backbone.init_cfg: torchvision://resnet50 holds weights '
        'of the full network',
    ):
        model.init_weights()
    # Its own weights inside cfg are fine, as fine-tuning configs have them.
    own = dict(type='Pretrained', checkpoint=checkpoint, prefix='backbone.')
    pruned(classifier(init_cfg=own)).init_weights()
    # Weights beside cfg replace those inside.
    beside = dict(type='Pretrained', checkpoint=checkpoint)
    pruned(classifier(init_cfg=zoo), init_cfg=beside).init_weights()


@pytest.mark.parametrize(
    'kind',
    ['Pretrained', 'mmengine.Pretrained', mmengine.model.weight_init.PretrainedInit],
)
def test_weights_in_a_list_of_initialisers_are_checked_too(kind, small, checkpoint):
    others = dict(type='Constant', layer='BatchNorm2d', val=0.5)
    zoo = [others, dict(type=kind, checkpoint='torchvision://resnet50')]
    with pytest.raises(CheckpointError, match='backbone.init_cfg: torchvi'):
        pruned(classifier(init_cfg=zoo)).init_weights()
    own = [dict(type=kind, checkpoint=checkpoint), others]
    model = pruned(classifier(init_cfg=zoo), init_cfg=own)
    model.init_weights()
    assert model.backbone.init_cfg == others
    for new, old in zip(model.parameters(), small.parameters()):
        assert torch.equal(new, old)


def test_a_backbone_says_its_channels_and_keeps_the_hosts_options():
    model = backbone(frozen_stages=1, norm_eval=True)
    assert model.out_channels == [106, 155, 1024, 2048]
    outs = model(torch.rand(1, 3, 64, 64))
    assert [out.shape[1] for out in outs] == model.out_channels
    frozen = {
        name.split('.')[0]
        for name, p in model.named_parameters()
        if not p.requires_grad
    }
    assert frozen == {'conv1', 'bn1', 'layer1'}
    model.train()
    assert model.layer4.training and not model.layer4[0].bn1.training
    assert backbone(out_indices=(3,)).out_channels == [2048]


def test_looking_at_the_channels_leaves_no_trace():
    torch.manual_seed(0)
    model = backbone()
    state = torch.get_rng_state()
    torch.manual_seed(0)
    MODELS.build(dict(type='mmpretrain.ResNet', depth=50, out_indices=(0, 1, 2, 3)))
    assert torch.equal(state, torch.get_rng_state())
    assert all(m.training for m in model.modules())
    assert model.bn1.num_batches_tracked == 0


def test_a_backbone_loads_the_classifiers_weights(small, checkpoint, tmp_path):
    alone = str(tmp_path / 'backbone.pth')
    torch.save(small.backbone.state_dict(), alone)
    for options in (
        dict(checkpoint=checkpoint),
        dict(checkpoint=checkpoint, prefix='backbone'),
        dict(checkpoint=alone),
    ):
        model = backbone(init_cfg=dict(type='Pretrained', **options))
        model.init_weights()
        for new, old in zip(model.parameters(), small.backbone.parameters()):
            assert torch.equal(new, old)


@pytest.mark.parametrize(
    'options, why',
    [
        (dict(prefix='neck.'), "no weights under 'neck.'; .* backbone, head"),
        (dict(prefix='backbone.layer1'), 'lacks'),
    ],
)
def test_weights_elsewhere_are_refused(checkpoint, options, why):
    model = backbone(init_cfg=dict(type='Pretrained', checkpoint=checkpoint, **options))
    with pytest.raises(CheckpointError, match=why):
        model.init_weights()


def test_checkpoints_that_are_none_are_refused(tmp_path):
    for content in (b'', b'not a checkpoint', b'PK\x03\x04'):
        path = tmp_path / 'bad.pth'
        path.write_bytes(content)
        model = backbone(init_cfg=dict(type='Pretrained', checkpoint=str(path)))
        with pytest.raises(CheckpointError, match="bad.pth can't be loaded"):
            model.init_weights()
    # MMEngine would load nothing from under another key than state_dict.
    for content in (dict(epoch=3), dict(model=backbone().state_dict())):
        torch.save(content, path)
        model = backbone(init_cfg=dict(type='Pretrained', checkpoint=str(path)))
        with pytest.raises(CheckpointError, match='holds no weights'):
            model.init_weights()


def test_another_variant_of_the_backbone_is_refused():
    with pytest.raises(SubnetError, match='2 of the layers .*conv1, bn1'):
        backbone(type='mmpretrain.ResNetV1c')
    with pytest.raises(SubnetError, match='made for another'):
        backbone(depth=34)
    # All layers of the file are there, and more between them.
    with pytest.raises(SubnetError, match='made for a smaller one'):
        backbone(depth=101)
    subnet = Subnet.load(ROOT / 'configs' / PUBLISHED)
    del subnet.layers['backbone.layer1.1.bn2']
    with pytest.raises(SubnetError, match='the pruned ResNet does not run'):
        backbone(subnet)


def test_norms_that_need_more_than_a_pixel_say_their_channels():

    class Normed(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv1 = nn.Conv2d(3, 64, 3, stride=32, padding=1)
            self.norm = nn.InstanceNorm2d(64)

        def forward(self, image):
            return self.norm(self.conv1(image))

    assert output_channels(Normed(), 3) == [64]
    with pytest.raises(SubnetError, match='Normed does not run'):
        output_channels(Normed(), 4)


def test_pretrained_of_the_host_is_refused():
    with pytest.raises(ConfigError, match='set model.pretrained=None'):
        MODELS.build(
            dict(
                type='mmdmcp.PrunedBackbone',
                cfg=dict(type='mmpretrain.ResNet', depth=50),
                subnet=PUBLISHED,
                pretrained='torchvision://resnet50',
            )
        )


def _place(tensor):
    return tensor.untyped_storage().data_ptr()


class Written(TorchDispatchMode):
    """Counts the entries of all tensors that are filled or made."""

    entries = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        result = func(*args, **(kwargs or {}))
        given = {_place(x) for x in args if torch.is_tensor(x)}
        in_place = func.__name__.split('.')[0].endswith('_')
        if torch.is_tensor(result) and (in_place or _place(result) not in given):
            self.entries += result.numel()
        return result


def test_rebuilding_copies_what_is_cut_once():
    """Beyond building in full; the time it takes: benchmarks/build_time.py."""
    with Written() as full:
        sizes = MODELS.build(classifier()).state_dict()
    with Written() as small:
        model = pruned()
    cut = sum(
        tensor.numel()
        for name, tensor in model.state_dict().items()
        if tensor.shape != sizes[name].shape
    )
    assert cut > 4e6
    assert small.entries - full.entries == cut


def test_mmrazor_is_not_needed(repo_root):
    code = f"""
import sys
sys.path.insert(0, {str(repo_root)!r})
class Block:
    def find_spec(self, name, path=None, target=None):
        if name.split('.')[0] == 'mmrazor':
            raise ModuleNotFoundError(name)
sys.meta_path.insert(0, Block())
from mmengine.registry import MODELS
model = MODELS.build(dict(
    type='mmdmcp.PrunedModel', cfg={classifier()!r}, subnet={PUBLISHED!r}))
assert model.backbone.conv1.out_channels == 52
"""
    subprocess.run([sys.executable, '-W', 'ignore', '-c', code], check=True)
