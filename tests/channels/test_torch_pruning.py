"""An independent tracer groups the same layers.

Torch-Pruning follows autograd's graph; here channels are followed through
one forward pass. They share no code.
"""

import pytest
import torch
from backbones.zoo import ZOO

from mmdmcp.ops import SlicedParameter
from mmdmcp.registry import MODELS
from mmdmcp.supernet import Supernet

torch_pruning = pytest.importorskip(
    'torch_pruning', reason='Torch-Pruning is not installed'
)

SHAPE = (3, 64, 64)
MAKERS = (torch.nn.Conv2d, torch.nn.ConvTranspose2d, torch.nn.Linear)


class Features(torch.nn.Module):
    """A classifier as a plain function of the images."""

    def __init__(self, model):
        super().__init__()
        self.model = model

    def forward(self, x):
        return self.model(x)


def torch_prunings_groups(model):
    """Sets of (layer, 'in' or 'out') that lose channels together, by the
    first layer that makes them."""
    names = {module: name for name, module in model.named_modules()}
    graph = torch_pruning.DependencyGraph().build_dependency(
        Features(model), example_inputs=torch.randn(1, *SHAPE)
    )
    groups = {}
    for group in graph.get_all_groups(root_module_types=list(MAKERS)):
        members, makers = set(), []
        for dependency, _ in group:
            name = names.get(dependency.target.module)
            if name is None:
                continue  # cat, view, ...
            handler = dependency.handler.__name__
            side = 'in' if 'in_channels' in handler else 'out'
            members.add((name, side))
            module = dependency.target.module
            depthwise = getattr(module, 'groups', 1) > 1
            if side == 'out' and not depthwise and isinstance(module, MAKERS):
                makers.append(name)
        order = list(names.values())
        groups[min(makers, key=order.index)] = members
    return groups


def our_groups(model):
    """The same of our units."""
    supernet = Supernet(model, SHAPE)
    groups = {unit.name: set() for unit in supernet.units}
    for layer in supernet.layers:
        assert not isinstance(layer, SlicedParameter)
        for side, layout in (('in', layer.in_layout), ('out', layer.out_layout)):
            if side == 'in' and not layer.kind.makes_channels:
                continue
            for unit in layout.units:
                groups[supernet.units[unit].name].add((layer.name, side))
    return groups


@pytest.mark.parametrize('family', ['ResNet-50', 'MobileNetV2', 'DenseNet'])
def test_units_are_torch_prunings_groups(family):
    theirs = torch_prunings_groups(MODELS.build(ZOO[family]).eval())
    ours = our_groups(MODELS.build(ZOO[family]))
    # It also offers to prune the classes.
    assert set(theirs) - set(ours) <= {'head.fc'}
    for name, members in ours.items():
        assert members == theirs[name], name


def pose_head():
    """As SimpleBaseline's: transposed convolutions up to heatmaps."""
    nn = torch.nn
    layers = [nn.Conv2d(3, 12, 3, stride=4, padding=1), nn.BatchNorm2d(12)]
    for channels, outputs in ((12, 8), (8, 10)):
        layers += [
            nn.ConvTranspose2d(channels, outputs, 4, stride=2, padding=1, bias=False),
            nn.BatchNorm2d(outputs),
            nn.ReLU(),
        ]
    return nn.Sequential(*layers, nn.Conv2d(10, 5, 1))


def test_units_of_transposed_convolutions_are_torch_prunings_groups():
    theirs, ours = torch_prunings_groups(pose_head().eval()), our_groups(pose_head())
    assert set(ours) == {'0', '2', '5'} == set(theirs) - {'8'}
    for name, members in ours.items():
        assert members == theirs[name], name
