"""Scores are those of Torch-Pruning, which shares no code with these."""

import copy

import pytest
import torch
import torchvision
from torch import nn
from torch.nn import functional as F

from mmdmcp.errors import ConfigError, TrainingError
from mmdmcp.ranking import (
    NORMALISATIONS,
    channel_scores,
    normalise,
    taylor_saliency,
)
from mmdmcp.supernet import Supernet

tp = pytest.importorskip('torch_pruning', reason='Torch-Pruning is not installed')
importance = tp.importance
SHAPE = (3, 32, 32)
WEIGHTS = [nn.modules.conv._ConvNd, nn.Linear]


class Net(nn.Module):
    """A residual sum, a grouped convolution, and a flatten before a linear."""

    def __init__(self):
        super().__init__()
        self.stem = nn.Conv2d(3, 8, 3, padding=1)
        self.norm = nn.BatchNorm2d(8)
        self.a = nn.Conv2d(8, 12, 3, padding=1)
        self.norm_a = nn.BatchNorm2d(12)
        self.b = nn.Conv2d(12, 8, 3, padding=1)
        self.norm_b = nn.BatchNorm2d(8)
        self.fc = nn.Linear(8 * 16, 5)

    def forward(self, x):
        x = self.norm(self.stem(x)).relu()
        x = x + self.norm_b(self.b(self.norm_a(self.a(x)).relu()))
        return self.fc(F.adaptive_avg_pool2d(x.relu(), 4).flatten(1))


def networks():
    torch.manual_seed(0)
    yield 'residual', Net()
    yield 'resnet18', torchvision.models.resnet18(num_classes=5)


@pytest.fixture(scope='module', params=['residual', 'resnet18'])
def network(request):
    model = dict(networks())[request.param].eval()
    with torch.no_grad():
        for module in model.modules():
            if isinstance(module, nn.BatchNorm2d):
                nn.init.normal_(module.weight, 1, 0.5)
                nn.init.normal_(module.bias, 0, 0.5)
    return model


def theirs(model, criterion, readers):
    """Torch-Pruning's scores by the first layer of its group."""
    graph = tp.DependencyGraph().build_dependency(model, torch.randn(1, *SHAPE))
    names = {module: name for name, module in model.named_modules()}
    found = {}
    for group in graph.get_all_groups(root_module_types=[nn.Conv2d, nn.Linear]):
        # Its Taylor importance sorts the channels, but not their places in
        # the group: in order from the start, both stay together.
        for item in group:
            item.root_idxs = [
                root for _, root in sorted(zip(item.idxs, item.root_idxs))
            ]
            item.idxs.sort()
        kept = [
            item
            for item in group
            if readers or not item.dep.handler.__name__.endswith('in_channels')
        ]
        group._group = kept
        scores = criterion(group)
        for item in kept:
            name = names.get(item.dep.target.module)
            if name and item.dep.handler.__name__.endswith('out_channels'):
                found[name] = scores
    return found


def compare(model, criterion, mine, readers):
    supernet = Supernet(copy.deepcopy(model), SHAPE)
    scores = mine(supernet)
    other = theirs(model, criterion, readers)
    assert len(scores) == len(supernet.units) > 1
    for unit, row in zip(supernet.units, scores):
        torch.testing.assert_close(row, other[unit.name].double(), rtol=1e-4, atol=0)


@pytest.mark.parametrize('readers', [False, True])
@pytest.mark.parametrize('degree', [1, 2])
def test_magnitudes(network, degree, readers):
    compare(
        network,
        importance.MagnitudeImportance(p=degree, normalizer=None, target_types=WEIGHTS),
        lambda net: channel_scores(net, f'l{degree}', readers=readers),
        readers,
    )


def test_scales_of_batch_norms():
    model = dict(networks())['resnet18'].eval()
    compare(
        model,
        importance.BNScaleImportance(normalizer=None),
        lambda net: channel_scores(net, 'bn_scale'),
        readers=True,
    )


@pytest.mark.parametrize('readers', [False, True])
def test_taylor(network, readers):
    x, y = torch.randn(4, *SHAPE), torch.arange(4)

    def loss(model):
        return F.cross_entropy(model(x), y)

    network.zero_grad()
    loss(network).backward()  # Torch-Pruning reads gradients from parameters
    compare(
        network,
        importance.TaylorImportance(normalizer=None, target_types=WEIGHTS),
        lambda net: channel_scores(
            net,
            'taylor',
            taylor_saliency(net.model, [0], lambda _: loss(net.model)),
            readers,
        ),
        readers,
    )


@pytest.mark.parametrize(
    'mine,other',
    [
        ('none', None),
        ('mean', 'mean'),
        ('max', 'max'),
        ('sum', 'sum'),
        ('gaussian', 'gaussian'),
        ('lamp', 'lamp'),
    ],
)
def test_normalisations(mine, other):
    scores = torch.rand(17, generator=torch.Generator().manual_seed(0)).double()
    expected = importance.MagnitudeImportance()._normalize(scores.float(), other)
    torch.testing.assert_close(
        normalise(scores, mine), expected.double(), rtol=1e-5, atol=1e-6
    )


@pytest.mark.parametrize('how', NORMALISATIONS)
def test_normalisation_keeps_the_order_and_survives_zeros(how):
    scores = torch.rand(9, generator=torch.Generator().manual_seed(1)).double()
    assert torch.equal(normalise(scores, how).argsort(), scores.argsort())
    for degenerate in (torch.zeros(4), torch.ones(1)):
        assert torch.isfinite(normalise(degenerate, how)).all()


def test_weights_of_channels_that_are_gone_do_not_count():
    """A narrow network's scores are those of the network cut to it."""
    supernet = Supernet(Net().eval(), SHAPE)
    units = [unit.name for unit in supernet.units]
    stem, inner = units.index('stem'), units.index('a')
    kept = [tuple(range(c)) for c in supernet.full]
    kept[stem], kept[inner] = (0, 3, 7), (1, 2, 5, 11)
    scores = channel_scores(supernet, 'l1', readers=True, kept=kept)
    a, b = supernet.model.a.weight, supernet.model.b.weight
    rows, columns = list(kept[inner]), list(kept[stem])
    made = a[rows][:, columns].abs().sum((1, 2, 3))
    read = b[columns][:, rows].abs().sum((0, 2, 3))
    torch.testing.assert_close(
        scores[inner][rows].float(), (made + read) / 2, rtol=1e-5, atol=0
    )


def test_transposed_and_depthwise_layers_have_their_weights_where_they_are():
    """Weights are [in, out, ...] in the one, one filter per channel in the
    other."""
    torch.manual_seed(0)
    model = nn.Sequential(
        nn.Conv2d(3, 6, 1),
        nn.Conv2d(6, 6, 3, padding=1, groups=6),
        nn.ConvTranspose2d(6, 8, 2, stride=2),
        nn.Conv2d(8, 2, 1),
    ).eval()
    supernet = Supernet(model, SHAPE)
    assert [unit.name for unit in supernet.units] == ['0', '2']
    first, depthwise, up, last = (layer.weight.abs().double() for layer in model)
    outputs = [row.tolist() for row in channel_scores(supernet, 'l1')]
    made = (first.sum((1, 2, 3)) + depthwise.sum((1, 2, 3))) / 2
    assert outputs[0] == pytest.approx(made.tolist())
    assert outputs[1] == pytest.approx(up.sum((0, 2, 3)).tolist())
    both = [row.tolist() for row in channel_scores(supernet, 'l1', readers=True)]
    read = (2 * made + up.sum((1, 2, 3))) / 3
    assert both[0] == pytest.approx(read.tolist())
    ends = (up.sum((0, 2, 3)) + last.sum((0, 2, 3))) / 2
    assert both[1] == pytest.approx(ends.tolist())


def test_saliency_is_averaged_over_batches_and_leaves_no_trace():
    model = Net().train()
    model.stem.weight.requires_grad_(False)  # as a frozen stage
    model.fc.bias.grad = torch.ones(5)
    before = copy.deepcopy(model.state_dict())
    batches = [torch.randn(2, *SHAPE) for _ in range(3)]

    def saliency(batches):
        return taylor_saliency(model, batches, lambda x: model(x).square().mean())

    found, single = saliency(batches), [saliency([b]) for b in batches]
    for name, value in found.items():
        torch.testing.assert_close(value, sum(s[name] for s in single) / 3)
    assert found['stem.weight'].abs().sum() > 0
    assert model.training and not model.stem.weight.requires_grad
    assert torch.equal(model.fc.bias.grad, torch.ones(5))
    assert model.a.weight.grad is None
    for name, value in model.state_dict().items():
        assert torch.equal(value, before[name]), name


def test_what_has_no_scores_is_named():
    supernet = Supernet(nn.Sequential(nn.Conv2d(3, 8, 1), nn.Conv2d(8, 4, 1)), SHAPE)
    with pytest.raises(ConfigError, match=r"1 of the 1 units by \(0\).*'l2'"):
        channel_scores(supernet, 'bn_scale')
    with pytest.raises(ConfigError, match='needs batches'):
        channel_scores(supernet, 'taylor')
    with torch.no_grad():
        supernet.model[0].weight[2] = float('nan')
    with pytest.raises(TrainingError, match='0: the weights or gradients'):
        channel_scores(supernet, 'l1')


@pytest.mark.parametrize(
    'loss,words',
    [
        (lambda x: x, r'a tensor \(2, 5\)'),
        (lambda x: 3.0, 'not 3.0'),
        (lambda x: x.detach().sum(), r'a tensor \(\)'),
    ],
)
def test_a_loss_that_is_none_is_refused(loss, words):
    model = Net()
    with pytest.raises(ConfigError, match=words):
        taylor_saliency(model, [torch.randn(2, *SHAPE)], lambda x: loss(model(x)))
    with pytest.raises(ConfigError, match='there is none'):
        taylor_saliency(model, [], lambda x: loss(model(x)))
