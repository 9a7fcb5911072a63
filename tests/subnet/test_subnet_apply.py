"""A whole model made small, all of it or nothing."""

import copy
import subprocess
import sys

import pytest
import torch
from torch import nn

from mmdmcp import SubnetError
from mmdmcp import subnet as subnet_module
from mmdmcp.subnet import LayerWidth, Subnet, UnitWidth

STEM, SIDE = (0, 3, 4, 6, 7), (1, 2)  # kept of 8 and of 4


class Net(nn.Module):
    """Residual, depthwise, concatenation, flatten, layer scale."""

    def __init__(self, width: int = 8):
        super().__init__()
        self.stem = nn.Conv2d(3, width, 3, padding=1)
        self.bn = nn.BatchNorm2d(width)
        self.act = nn.PReLU(width)
        self.dw = nn.Conv2d(width, width, 3, padding=1, groups=width)
        self.gamma = nn.Parameter(torch.rand(width, 1, 1))
        self.side = nn.Conv2d(width, 4, 1)
        self.both = nn.BatchNorm2d(width + 4)
        self.fc = nn.Linear((width + 4) * 4, 5)
        for norm in (self.bn, self.both):
            for tensor in (norm.weight, norm.bias, norm.running_mean, norm.running_var):
                nn.init.uniform_(tensor, 0.5, 1.5)

    def forward(self, x, stem=1.0, side=1.0):
        """The masks close channels where a small net has none."""
        x = self.act(self.bn(self.stem(x))) * stem
        x = (x + self.gamma * self.dw(x)) * stem
        x = torch.cat([x, self.side(x) * side], dim=1)
        return self.fc(self.both(x).flatten(1) * self.mask(stem, side))

    @staticmethod
    def mask(stem, side):
        if isinstance(stem, float):
            return 1.0
        return torch.cat([stem, side]).expand(-1, 2, 2).flatten()


def one(kept, size):
    mask = torch.zeros(size, 1, 1)
    mask[list(kept)] = 1
    return mask


def net_subnet(prefix='', **changes) -> Subnet:
    both = (*STEM, *(8 + i for i in SIDE))
    flat = tuple(4 * i + j for i in both for j in range(4))
    stem = dict(out=5, out_kept=STEM)
    layers = {
        'stem': LayerWidth(**stem),
        'bn': LayerWidth(**stem),
        'act': LayerWidth(**stem),
        'dw': LayerWidth(in_=5, groups=5, in_kept=STEM, **stem),
        'gamma': LayerWidth(**stem),
        'side': LayerWidth(5, 2, in_kept=STEM, out_kept=SIDE),
        'both': LayerWidth(out=7, out_kept=both),
        'fc': LayerWidth(in_=28, in_kept=flat),
    }
    layers.update(changes)
    params = 140 + 10 + 5 + 50 + 5 + 12 + 14 + 145
    return Subnet(
        'gate',
        {
            prefix + 'stem': UnitWidth(5, 8, STEM),
            prefix + 'side': UnitWidth(2, 4, SIDE),
        },
        {prefix + name: row for name, row in layers.items() if row is not None},
        dict(macs=1, params=params, input_shape=[3, 2, 2]),
    )


def test_the_small_net_computes_what_the_masked_full_one_does():
    full = Net().eval()
    small = copy.deepcopy(full)
    assert subnet_module.apply(small, net_subnet()) is small
    x = torch.rand(3, 3, 2, 2)
    expected = full(x, one(STEM, 8), one(SIDE, 4))
    assert torch.allclose(small(x), expected, atol=1e-6)
    assert not torch.allclose(full(x), expected, atol=1e-2)


def test_modules_keep_identity_names_and_mode():
    net = Net().train()
    before = dict(net.named_modules())
    subnet_module.apply(net, net_subnet())
    assert dict(net.named_modules()) == before
    assert list(net.state_dict()) == list(Net().state_dict())
    assert net.stem.training
    net(torch.rand(2, 3, 2, 2)).sum().backward()
    assert net.gamma.grad.shape == (5, 1, 1)


def test_from_a_file(tmp_path):
    net_subnet().save(tmp_path / 'x.yaml')
    net = subnet_module.apply(Net(), str(tmp_path / 'x.yaml'))
    assert net.stem.out_channels == 5


def test_works_without_memory_for_weights():
    with torch.device('meta'):
        net = Net.__new__(Net)
        nn.Module.__init__(net)
        net.stem = nn.Conv2d(3, 8, 3)
    subnet_module.apply(net, net_subnet(), prefix={'stem': 'stem'})
    assert net.stem.weight.shape == (5, 3, 3, 3)


@pytest.mark.parametrize('prefix', ['backbone.', {'backbone.': ''}])
def test_prefixes_are_cut_off(prefix):
    net = subnet_module.apply(Net(), net_subnet('backbone.'), prefix=prefix)
    assert net.fc.in_features == 28


def test_prefixes_are_put_on():
    model = nn.Module()
    model.backbone = Net()
    subnet_module.apply(model, net_subnet(), prefix={'': 'backbone.'})
    assert model.backbone.fc.in_features == 28


def test_the_longest_prefix_wins_and_others_are_left_out():
    model = nn.Module()
    model.stage, model.norm = nn.Module(), nn.BatchNorm2d(8)
    model.stage.stem = nn.Conv2d(3, 8, 3)
    subnet_module.apply(
        model, net_subnet('net.'), prefix={'net.stem': 'stage.stem', 'net.bn': 'norm'}
    )
    assert model.stage.stem.out_channels == model.norm.num_features == 5


def test_one_module_under_two_names_is_sliced_once():
    net = Net()
    net.alias = net.stem
    row = LayerWidth(out=5, out_kept=STEM)
    subnet_module.apply(net, net_subnet(alias=row))
    assert net.alias is net.stem and net.stem.out_channels == 5


def check_refused(model, subnet, why, prefix=None):
    before = copy.deepcopy(model)
    with pytest.raises(SubnetError, match=why):
        subnet_module.apply(model, subnet, prefix)
    assert repr(model) == repr(before)
    for old, new in zip(before.parameters(), model.parameters()):
        assert torch.equal(old, new)


@pytest.mark.parametrize(
    'changes, why',
    [
        (dict(other=LayerWidth(out=3)), '1 of the layers .* not in the Net: ot'),
        (dict(fc=LayerWidth(in_=99)), 'layer fc: in: .*Is the file for this'),
        (dict(dw=LayerWidth(5, 5)), 'layer dw: the kept channels leave 5 groups'),
        (dict(fc=None), 'would have 481 parameters, but the file says 381'),
        (dict(both=LayerWidth(out=6)), 'parameters, but the file says 381'),
    ],
)
def test_a_damaged_row_changes_nothing(changes, why):
    check_refused(Net(), net_subnet(**changes), why)


def test_a_model_of_another_width_is_refused():
    why = 'layer stem: has 16 channels, but had 8 in the model'
    check_refused(Net(16), net_subnet(), why)
    check_refused(Net(16), net_subnet(), why, prefix={'': ''})


@pytest.mark.parametrize(
    'unit, why',
    [
        (
            UnitWidth(4, 8, (0, 3, 4, 6)),
            'layer stem: out keeps 5 of its 8 chan'
            'nels, but under units it keeps 4: the file was edited in one place',
        ),
        (UnitWidth(8, 8), 'but under units it keeps 8'),
        (UnitWidth(5, 8), 'but under units it keeps others'),
    ],
)
def test_a_file_edited_under_units_alone_is_refused(unit, why):
    subnet = net_subnet()
    edited = Subnet('gate', dict(subnet.units, stem=unit), subnet.layers, subnet.cost)
    check_refused(Net(), edited, why)
    check_refused(Net(), edited, why, prefix={'': ''})


def test_another_head_is_refused_unless_asked_for():
    net = Net()
    net.fc = nn.Linear(48, 10)
    check_refused(net, net_subnet(), "only the head differs .*prefix={'': ''}")
    subnet_module.apply(net, net_subnet(), prefix={'': ''})
    assert net(torch.rand(2, 3, 2, 2)).shape == (2, 10)


def test_a_wrong_prefix_is_explained():
    check_refused(Net(), net_subnet('backbone.'), r"prefix={'backbone\.': ''}")
    wrapped = nn.Module()
    wrapped.backbone = Net()
    check_refused(wrapped, net_subnet(), r"prefix=\{'': 'backbone\.'\}")
    check_refused(Net(), net_subnet('a.'), "matches no layer .* 'a.stem'", 'b.')
    check_refused(
        Net(), net_subnet('a.'), 'gives two rows the name', {'a.stem': 'x', 'a.bn': 'x'}
    )


def test_a_head_of_another_name_is_not_forgotten():
    """Its inputs would be the full network's: no prefix that leaves them."""
    subnet = net_subnet('backbone.')
    layers = dict(subnet.layers)
    layers['head.fc'] = layers.pop('backbone.fc')
    subnet = Subnet('gate', subnet.units, layers, subnet.cost)
    both = r"prefix={'backbone\.': '', 'head\.': ''}"
    check_refused(Net(), subnet, both)
    check_refused(Net(), subnet, f'leaves out head.fc, .* fc .*{both}', 'backbone.')
    net = subnet_module.apply(Net(), subnet, prefix={'backbone.': '', 'head.': ''})
    net(torch.rand(2, 3, 2, 2))
    part = Net()
    del part.fc  # as in a detector
    subnet_module.apply(part, subnet, prefix='backbone.')


def test_two_rows_for_one_module_must_agree():
    net = Net()
    net.alias = net.stem
    check_refused(
        net,
        net_subnet(alias=LayerWidth(out=4)),
        'layer alias: is the same module as stem',
    )


def test_torch_and_yaml_are_all_it_needs(tmp_path, repo_root):
    """Rebuild where importing any other framework fails."""
    net_subnet().save(tmp_path / 'x.yaml')
    code = f"""
import sys
sys.path.insert(0, {str(repo_root)!r})
class Block:
    def find_spec(self, name, path=None, target=None):
        if name.split('.')[0] in ('mmengine', 'mmcv', 'mmpretrain', 'mmrazor',
                                  'mmdet', 'mmseg', 'numpy', 'sklearn'):
            raise ModuleNotFoundError(name)
sys.meta_path.insert(0, Block())
from torch import nn
import mmdmcp.subnet
stem = nn.Sequential(nn.Conv2d(3, 8, 3))
mmdmcp.subnet.apply(stem, {str(tmp_path / 'x.yaml')!r}, {{'stem': '0'}})
assert stem[0].out_channels == 5
"""
    subprocess.run([sys.executable, '-W', 'ignore', '-c', code], check=True)
