"""What only training runs shrinks with the rest, and can be trained."""

import copy

import pytest
import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from mmdmcp.subnet import apply
from mmdmcp.supernet import Supernet

SHAPE = (3, 16, 16)


def conv(inputs, outputs):
    return nn.Conv2d(inputs, outputs, 3, padding=1)


class Deep(nn.Module):
    """Deep supervision: a head that runs in training, on a kept feature."""

    def __init__(self, norm=True):
        super().__init__()
        self.a, self.b = conv(3, 16), conv(16, 24)
        self.aux = nn.Sequential(conv(16, 12), nn.BatchNorm2d(12), conv(12, 5))
        self.drop, self.z = nn.Dropout(0.5), conv(24, 4)
        self.seen = 0
        self.register_buffer('steps', torch.zeros(()))

    def forward(self, x):
        x = self.a(x).relu()
        if self.training:
            self.seen += 1
            self.steps += 1
            self.extra = self.aux(self.drop(x))
        return self.z(self.b(x))


@pytest.mark.parametrize('any_channels', [False, True])
def test_a_head_that_runs_in_training_only(any_channels):
    torch.manual_seed(0)
    model = Deep()
    supernet = Supernet(model, SHAPE, any_channels=any_channels)
    assert [unit.name for unit in supernet.units] == ['a', 'b', 'aux.0']
    supernet.select([5, 7, 3])
    model.train()
    model(torch.rand(2, *SHAPE))
    assert model.extra.shape[1] == 5
    # What it keeps has a graph, which no copy needs.
    subnet = supernet.subnet([5, 7, 3], 'dmcp')
    small = apply(supernet.plain_copy(), subnet).train()
    small(torch.rand(2, *SHAPE)).sum().backward()
    assert small.aux[0].weight.shape[:2] == (3, 5)
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        small.eval()(torch.rand(1, *SHAPE))
    assert counter.get_total_flops() // 2 == subnet.cost['macs']


def test_the_model_is_as_it_was():
    model = Deep()
    state = copy.deepcopy(model.state_dict())
    random = torch.get_rng_state()
    Supernet(model, SHAPE)
    assert model.seen == 0 and not hasattr(model, 'extra')
    assert all(torch.equal(v, state[k]) for k, v in model.state_dict().items())
    assert torch.equal(random, torch.get_rng_state())
    assert all(module.training for module in model.modules())


class Mixed(Deep):
    """Training reads another feature with the same layers."""

    def __init__(self):
        super().__init__()
        self.c = conv(24, 24)

    def forward(self, x):
        x = self.a(x).relu()
        y = self.b(x)
        if self.training:
            y = y + torch.cat([x, x[:, :8]], 1)
        return self.z(self.c(y))


def test_training_may_wire_the_same_layers_in_another_way():
    supernet = Supernet(Mixed(), SHAPE)
    assert [unit.name for unit in supernet.units] == ['c']
    assert 'a' in dict(supernet.unprunable)


class Labelled(Deep):
    """Fails without labels: what it trains can't be seen."""

    def forward(self, x, labels=None):
        x = self.a(x).relu()
        if self.training:
            self.extra = self.aux(x)[:, labels.long()]
        return self.z(self.b(x))


def test_what_cannot_be_tried_is_left_whole_by_name():
    supernet = Supernet(Labelled(), SHAPE)
    assert [unit.name for unit in supernet.units] == ['b']
    reason = dict(supernet.unprunable)['a']
    assert 'aux.0' in reason and 'training' in reason
    model = supernet.model.train()
    supernet.select([3])
    model(torch.rand(2, *SHAPE), torch.tensor([1, 2]))


def test_losses_of_a_classifier_are_run_where_forward_is_not_enough():
    from mmpretrain.models import LinearClsHead
    from mmpretrain.registry import MODELS as HOST

    from mmdmcp.registry import MODELS

    class TwoHeads(LinearClsHead):
        def __init__(self, **options):
            super().__init__(**options)
            self.hidden = nn.Linear(self.in_channels, 6)
            self.second = nn.Linear(6, self.num_classes)

        def loss(self, feats, data_samples, **options):
            score = self.second(self.hidden(self.pre_logits(feats)).relu())
            return {
                **super().loss(feats, data_samples, **options),
                'loss_second': self._get_loss(score, data_samples)['loss'],
            }

    HOST.register_module(module=TwoHeads, force=True)
    model = MODELS.build(
        dict(
            type='mmpretrain.ImageClassifier',
            backbone=dict(type='mmdmcp.ResNetCifar', depth=8, base_channels=8),
            neck=dict(type='mmpretrain.GlobalAveragePooling'),
            head=dict(type='mmpretrain.TwoHeads', num_classes=10, in_channels=32),
        )
    )
    supernet = Supernet(model, SHAPE)
    names = [unit.name for unit in supernet.units]
    assert 'head.hidden' in names and 'backbone.layer3.0.conv2' in names
    layers = supernet.subnet([2] * len(names), 'dmcp').layers
    assert layers['head.hidden'].in_ == 2 and layers['head.second'].in_ == 2


class Pose(nn.Module):
    """As mmpose's: what is on the images has no default."""

    def __init__(self):
        super().__init__()
        self.backbone, self.head = conv(3, 8), conv(8, 4)

    def forward(self, inputs, data_samples, mode='tensor'):
        assert mode == 'tensor'
        return self.head(self.backbone(inputs))


def test_a_model_whose_data_samples_have_no_default():
    assert [u.name for u in Supernet(Pose(), SHAPE).units] == ['backbone']


def test_no_demo_input_of_another_package_is_imported():
    """mmrazor's can't be imported beside mmpose."""
    import subprocess
    import sys

    code = (
        'import sys, torch\nfrom torch import nn\n'
        'from mmdmcp.supernet import Supernet\n'
        'net = nn.Sequential(nn.Conv2d(3, 8, 3), nn.Conv2d(8, 4, 3))\n'
        'Supernet(net, (3, 8, 8))\n'
        "assert 'mmrazor' not in sys.modules\n"
    )
    subprocess.run([sys.executable, '-c', code], check=True)


class Encoder(nn.Module):
    """A transformer of torch, whose fast path reads weights past layers."""

    def __init__(self):
        super().__init__()
        self.a = conv(3, 8)
        self.layer = nn.TransformerEncoderLayer(
            8, 2, dim_feedforward=12, batch_first=True
        )
        self.z = nn.Linear(8, 4)

    def forward(self, x):
        return self.z(self.layer(self.a(x).flatten(2).transpose(1, 2)).mean(1))


def test_the_fast_path_of_a_transformer_layer_is_not_taken():
    torch.manual_seed(0)
    model = Encoder().eval()
    x = torch.rand(2, *SHAPE)
    full = model(x).detach()
    supernet = Supernet(model, SHAPE)
    assert 'layer.linear1' in [unit.name for unit in supernet.units]
    widths = [unit.num_channels // 2 for unit in supernet.units]
    small = apply(supernet.plain_copy(), supernet.subnet(widths, 'dmcp')).eval()
    with torch.no_grad():
        supernet.select(supernet.full)
        assert torch.allclose(model(x), full, atol=1e-5)
        supernet.select(widths)
        assert (model(x) - full).abs().max() > 1e-3
        assert torch.allclose(model(x), small(x), atol=1e-5)
    assert (
        sum(p.numel() for p in small.parameters())
        == (supernet.cost.exact(widths)['params'])
    )
    assert small.layer.activation_relu_or_gelu == 1


def test_norms_of_two_kinds_in_one_model():
    """MMEngine puts new norms in place of those that synchronise only."""
    from mmengine.model import revert_sync_batchnorm

    model = nn.Sequential(
        conv(3, 8),
        nn.BatchNorm2d(8),
        conv(8, 6),
        nn.SyncBatchNorm(6),
        nn.Sequential(conv(6, 5), nn.SyncBatchNorm(5)),
        conv(5, 4),
    )
    supernet = Supernet(model, SHAPE)
    revert_sync_batchnorm(model)
    assert type(model[3]) is not nn.SyncBatchNorm
    supernet.select([2] * len(supernet.units))
    model.train()
    model(torch.rand(2, *SHAPE))
    assert model[3].num_features == model[4][1].num_features == 2
    assert supernet.plain_copy()[3].num_features == 6
    # A part that was put in place of another is bound as well.
    model[4] = copy.deepcopy(supernet.plain_copy()[4])
    supernet.select([3] * len(supernet.units))
    model(torch.rand(2, *SHAPE))
    assert model[4][0].out_channels == 3
