"""Any module, no Runner: one call makes it small."""

import copy
import threading

import pytest
import torch
import torchvision
from torch import nn
from torch.nn import functional as F
from torch.utils.flop_counter import FlopCounterMode

import mmdmcp
from mmdmcp.errors import ConfigError, TargetError, TraceError
from mmdmcp.plain import inspect, prune

X = torch.randn(1, 3, 32, 32, generator=torch.Generator().manual_seed(0))


class TwoInputs(nn.Module):
    """Called with keywords; returns a dict."""

    def __init__(self):
        super().__init__()
        self.image = nn.Conv2d(3, 16, 3, padding=1)
        self.depth = nn.Conv2d(1, 16, 3, padding=1)
        self.head = nn.Conv2d(16, 4, 1)

    def forward(self, image, *, depth, gain=1.0):
        x = self.image(image) + self.depth(depth) * gain
        return dict(scores=self.head(x.relu()))


def inputs_of_two():
    return dict(image=X, depth=X[:, :1], gain=2.0)


def counted(model, *args, **kwargs):
    """torch's own count of multiply-accumulates, and of parameters."""
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        model(*args, **kwargs)
    return dict(
        macs=counter.get_total_flops() // 2,
        params=sum(p.numel() for p in model.parameters()),
    )


@pytest.fixture(scope='module')
def resnet():
    torch.manual_seed(0)
    return torchvision.models.resnet18(num_classes=10).eval()


def test_a_torchvision_model_is_half_as_large(resnet):
    before = copy.deepcopy(resnet.state_dict())
    small = prune(resnet, '50%', X)
    assert small.before == counted(resnet, X)
    assert (
        small.after
        == counted(small.model, X)
        == {key: small.subnet.cost[key] for key in ('macs', 'params')}
    )
    assert abs(small.after['macs'] / small.before['macs'] - 0.5) < 0.005
    assert all(unit.channels >= 0.1 * unit.of for unit in small.subnet.units.values())
    # the model itself is as it was
    assert 'forward' not in vars(resnet.conv1)
    for name, value in resnet.state_dict().items():
        assert torch.equal(value, before[name]), name


def test_the_file_makes_the_same_network(resnet, tmp_path):
    small = prune(resnet, dict(params='40%'), X, criterion='bn_scale')
    small.subnet.save(tmp_path / 'small.yaml')
    again = mmdmcp.apply(copy.deepcopy(resnet), tmp_path / 'small.yaml')
    with torch.no_grad():
        assert torch.equal(again(X), small.model(X))
    assert small.subnet.target == dict(params=small.subnet.target['params'])
    assert abs(small.after['params'] / small.before['params'] - 0.4) < 0.004


def test_the_small_network_trains(resnet):
    small = prune(resnet.train(), '30%', X).model
    resnet.eval()
    assert small.training
    optimizer = torch.optim.SGD(small.parameters(), lr=0.1)
    F.cross_entropy(small(X.repeat(2, 1, 1, 1)), torch.tensor([1, 2])).backward()
    optimizer.step()
    assert all(p.grad is not None for p in small.parameters())


def test_inputs_by_name():
    model = TwoInputs().eval()
    small = prune(model, '50%', inputs_of_two())
    assert small.after == counted(small.model, **inputs_of_two())
    assert small.subnet.units['image'].channels == 8
    kept = list(small.subnet.units['image'].kept or range(8))
    # What is left computes what it computed.
    with torch.no_grad():
        gone = [i for i in range(16) if i not in kept]
        for layer in (model.image, model.depth):
            layer.weight[gone] = 0
            layer.bias[gone] = 0
        torch.testing.assert_close(
            small.model(**inputs_of_two())['scores'],
            model(**inputs_of_two())['scores'],
        )


class Keeps(TwoInputs):
    """Keeps an activation of its last pass, or something else."""

    kept = None

    def forward(self, image, depth):
        out = super().forward(image, depth=depth)
        self.kept = out['scores'] if self.kept is None else self.kept
        return out


def test_a_model_may_keep_an_activation_but_nothing_that_cant_be_copied():
    model = Keeps()
    model(X, X[:, :1])
    assert model.kept.grad_fn is not None
    assert prune(model, '50%', (X, X[:, :1])).after['macs'] > 0
    model.kept = threading.Lock()
    with pytest.raises(TraceError, match="Keeps can't be copied.*lock"):
        prune(model, '50%', (X, X[:, :1]))


def test_inputs_in_a_tuple():
    class Positional(TwoInputs):
        def forward(self, image, depth):
            return super().forward(image, depth=depth)

    small = prune(Positional(), '50%', (X, X[:, :1]))
    assert small.subnet.cost['input_shape'] == [3, 32, 32]


def test_taylor_takes_batches_and_a_loss(resnet):
    batches = [(X.repeat(2, 1, 1, 1), torch.tensor([1, 2]))]

    def loss_fn(model, batch):
        return F.cross_entropy(model(batch[0]), batch[1])

    small = prune(
        resnet, '50%', X, criterion='taylor', batches=batches, loss_fn=loss_fn
    )
    other = prune(resnet, '50%', X)
    assert small.subnet.units != other.subnet.units
    for options in (dict(), dict(batches=batches), dict(loss_fn=loss_fn)):
        with pytest.raises(ConfigError, match='give batches, and loss_fn'):
            prune(resnet, '50%', X, criterion='taylor', **options)
    with pytest.raises(ConfigError, match="criterion='taylor' only"):
        prune(resnet, '50%', X, batches=batches, loss_fn=loss_fn)


def test_widths_that_hardware_likes(resnet):
    small = prune(resnet, '50%', X, divisor=8)
    assert all(unit.channels % 8 == 0 for unit in small.subnet.units.values())
    assert abs(small.after['macs'] / small.before['macs'] - 0.5) < 0.005


def test_the_result_prints_itself(resnet):
    text = str(prune(resnet, '50%', X))
    assert 'full' in text and 'pruned' in text and '100.00%' in text
    assert 'channels are kept in' in text


@pytest.mark.parametrize(
    'options,error,words',
    [
        (dict(target='0.1%'), TargetError, "can't be reached.*Raise the target to '"),
        (dict(target='120%'), TargetError, 'above the full network'),
        (dict(method='dmcp'), ConfigError, r"method='dmcp'.*\('importance',\)"),
        (dict(criterion='l3'), ConfigError, "criterion='l3'"),
        (dict(normalisation='median'), ConfigError, "normalis.*='median'"),
        (dict(min_ratio=1.5), ConfigError, 'min_ratio=1.5'),
        (dict(divisor=0), ConfigError, 'divisor=0'),
        (dict(scope=['no.such']), ConfigError, 'no.such'),
        (dict(example_inputs='x'), ConfigError, 'example_inputs='),
        (dict(example_inputs=X[:, :2]), TraceError, 'does not run'),
        (dict(model=3), ConfigError, 'a int is no torch.nn.Module'),
    ],
)
def test_what_is_wrong_is_named(resnet, options, error, words):
    options = dict(dict(model=resnet, target='50%', example_inputs=X), **options)
    with pytest.raises(error, match=words):
        prune(**options)


def test_inspect_lists_units_and_shares(resnet):
    found = inspect(resnet, X, target='50%')
    units = {unit.name: unit for unit in found.units}
    conv = units['layer1.0.conv1']
    assert conv.channels == 64 and conv.layers == ('layer1.0.conv1', 'layer1.0.bn1')
    assert conv.readers == ('layer1.0.conv2',)
    # 3x3 over 64 inputs before and 64 outputs behind, at 8x8 positions
    share = 2 * 64 * 64 * 9 * 64 / found.full['macs']
    assert conv.macs_share == pytest.approx(share)
    params = (2 * 64 * 64 * 9 + 2 * 64) / found.full['params']
    assert conv.params_share == pytest.approx(params)
    assert found.full == counted(resnet, X)
    assert found.target == dict(macs=round(found.full['macs'] / 2)) and found.reachable
    assert found.kept_whole == (('fc', "its channels are the model's output"),)
    text = str(found)
    assert 'layer1.0.conv1' in text and "its channels are the model's output" in text
    assert inspect(resnet, X, target='0.001%').reachable is False
    assert inspect(resnet, X).target is None


def test_inspection_is_plain_data(resnet):
    import json

    found = inspect(resnet, X, target=dict(params='50%'))
    again = json.loads(json.dumps(found.to_dict()))
    assert again == found.to_dict()
    assert again['units'][0]['name'] == 'conv1' and again['reachable'] is True


def test_cost_is_torchs_count(resnet):
    assert mmdmcp.cost(resnet, X) == counted(resnet, X)
    assert mmdmcp.cost(TwoInputs(), inputs_of_two())['params'] == sum(
        p.numel() for p in TwoInputs().parameters()
    )
    from mmdmcp.cost import CostModel  # the package of the same name

    assert isinstance(CostModel, type) and mmdmcp.cost(resnet, X)


def test_public_names_are_found():
    assert mmdmcp.prune is prune and mmdmcp.inspect is inspect
    assert mmdmcp.apply is mmdmcp.subnet.apply
    assert {'prune', 'inspect', 'apply', 'cost'} <= set(dir(mmdmcp))
