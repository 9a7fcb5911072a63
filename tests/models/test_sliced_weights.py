"""A small network starts from the full one's checkpoint."""

import pytest
import torch
from common.small_net import classifier

from mmdmcp import CheckpointError
from mmdmcp.cli import main
from mmdmcp.dmcp import DMCP
from mmdmcp.registry import MODELS


@pytest.fixture
def search():
    torch.manual_seed(0)
    algorithm = DMCP(classifier(), target='50%', input_shape=(1, 8, 8))
    for parameter in algorithm.architecture.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    return algorithm


@pytest.fixture
def checkpoint(search, tmp_path):
    path = tmp_path / 'full.pth'
    net = search.mutator.supernet.plain_copy()
    torch.save(dict(state_dict=net.state_dict()), path)
    return dict(type='Pretrained', checkpoint=str(path))


def outputs(model):
    return model.eval()(torch.rand(2, 1, 8, 8, generator=torch.manual_seed(3)))


def test_a_pruned_model_takes_the_part_that_stays(search, checkpoint):
    search.set_widths('random')
    small = MODELS.build(
        dict(
            type='mmdmcp.PrunedModel',
            cfg=classifier(),
            subnet=search.export_subnet(),
            init_cfg=checkpoint,
        )
    )
    small.init_weights()
    torch.testing.assert_close(outputs(small), outputs(search.cut()))
    narrow = {p.shape for p in small.parameters()}
    assert narrow != {p.shape for p in search.architecture.parameters()}


def test_a_pruned_backbone_takes_its_part_of_a_classifiers(search, checkpoint):
    search.set_widths('random')
    backbone = MODELS.build(
        dict(
            type='mmdmcp.PrunedBackbone',
            cfg=classifier()['backbone'],
            subnet=search.export_subnet(),
            init_cfg=checkpoint,
        )
    )
    backbone.init_weights()
    for ours, its in zip(outputs(backbone), outputs(search.cut().backbone)):
        torch.testing.assert_close(ours, its)


def test_another_models_weights_are_refused(search, tmp_path):
    search.set_widths('random')
    path = tmp_path / 'other.pth'
    other = MODELS.build(classifier(base_channels=12))
    torch.save(dict(state_dict=other.state_dict()), path)
    small = MODELS.build(
        dict(
            type='mmdmcp.PrunedModel',
            cfg=classifier(),
            subnet=search.export_subnet(),
            init_cfg=dict(type='Pretrained', checkpoint=str(path)),
        )
    )
    with pytest.raises(CheckpointError, match='does not fit'):
        small.init_weights()


def test_publish_writes_the_part_that_stays(search, checkpoint, tmp_path, capsys):
    search.set_widths('random')
    subnet, config, out = (tmp_path / n for n in ('s.yaml', 'c.py', 'small.pth'))
    search.export_subnet().save(subnet)
    config.write_text(f"default_scope = 'mmpretrain'\nmodel = {classifier()!r}")
    arguments = ['publish', checkpoint['checkpoint'], str(out), '--subnet', str(subnet)]
    assert main(arguments) == 1
    assert 'add --config' in capsys.readouterr().err
    assert main([*arguments, '--config', str(config)]) == 0
    small = torch.load(out)
    for name, value in search.cut().state_dict().items():
        assert torch.equal(small[name], value)
