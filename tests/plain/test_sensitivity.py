"""What a network loses with one unit, without training."""

import copy
import json

import pytest
import torch
from PIL import Image
from torch import nn

import mmdmcp
from mmdmcp.cli import main
from mmdmcp.deploy.validation import Validation
from mmdmcp.errors import ConfigError
from mmdmcp.ticker import Ticker

X = torch.randn(4, 3, 8, 8, generator=torch.Generator().manual_seed(0))


def net():
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(3, 8, 3, padding=1),
        nn.BatchNorm2d(8),
        nn.ReLU(),
        nn.Conv2d(8, 12, 3, padding=1),
        nn.ReLU(),
        nn.Conv2d(12, 2, 1),
    )


def score(model):
    assert not model.training
    return model(X).abs().mean().item()


def test_a_loss_is_that_of_the_network_which_is_narrower(tmp_path):
    """Made by hand of the filters of the largest norm."""
    model = net()
    before = copy.deepcopy(model.state_dict())
    found = mmdmcp.sensitivity(model, X[:1], score, ratios=[0.25, 0.5])
    assert found.ratios == (0.5, 0.25) and found.full == score(net().eval())
    first, second = found.units
    assert (first.name, first.kept, second.kept) == ('0', (4, 2), (6, 3))
    small = net().eval()
    norms = small[3].weight.flatten(1).square().sum(1)
    kept = norms.topk(3).indices.sort().values
    small[3].weight = nn.Parameter(small[3].weight[kept])
    small[3].bias = nn.Parameter(small[3].bias[kept])
    small[5].weight = nn.Parameter(small[5].weight[:, kept])
    assert second.losses[1] == pytest.approx(found.full - score(small), abs=1e-6)
    small[3].out_channels = small[5].in_channels = 3
    macs = [mmdmcp.cost(m, X[:1])['macs'] for m in (small, model)]
    assert second.saved[1] == pytest.approx(1 - macs[0] / macs[1])
    assert all(torch.equal(v, before[k]) for k, v in model.state_dict().items())
    assert model.training and 'forward' not in vars(model[0])
    assert json.loads(json.dumps(found.to_dict())) == found.to_dict()
    assert 'loses most with' in str(found) and '-' in str(found)
    found.save_plot(tmp_path / 'found.svg')
    assert '25% kept' in (tmp_path / 'found.svg').read_text()
    with pytest.raises(ConfigError, match='name a .png'):
        found.save_plot(tmp_path / 'found.docx')


@pytest.mark.parametrize('ratios', [[], [1.0], [0.5, 0], 'half'])
def test_ratios_are_checked(ratios):
    with pytest.raises(ConfigError, match='ratios'):
        mmdmcp.sensitivity(net(), X, score, ratios=ratios)


def test_a_ticker_speaks_every_few_seconds(capsys):
    now = iter([0.0, 2.0, 6.0, 7.0, 12.0])
    ticker = Ticker('networks', 8, clock=lambda: next(now))
    for _ in range(4):
        ticker.advance()
    assert capsys.readouterr().err.splitlines() == [
        '2 of 8 networks, about 18 s left',
        '4 of 8 networks, about 12 s left',
    ]


def test_the_command_takes_a_config(repo_root, tmp_path, capsys):
    from mmdmcp.deploy.models import full_model

    config = str(repo_root / 'configs/pruning/dmcp/resnet14_digits.py')
    torch.manual_seed(0)
    torch.save(full_model(config).state_dict(), tmp_path / 'full.pth')
    argv = ['sensitivity', config, '--weights', str(tmp_path / 'full.pth')]
    argv += ['--images=24', '--ratios=0.5', '--input-shape', '1', '8', '8', '--json']
    assert main([*argv, '-o', str(tmp_path / 'found.png')]) == 0
    found = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert len(found['units']) == 9 and (tmp_path / 'found.png').stat().st_size > 1000
    # 24 images: every score is a multiple of one of them
    assert round(found['full'] * 24 / 100, 4) % 1 == 0
    validation = Validation(config)
    whole = validation.loader.dataset
    validation.limit(24)
    labels = {
        int(validation.loader.dataset[i]['data_samples'].gt_label) for i in range(24)
    }
    assert len(labels) > 5 and len(validation.loader.dataset) == 24 < len(whole)


def test_the_command_takes_photos(tmp_path, capsys):
    """Without labels: what is lost is agreement with the full network."""
    import torchvision

    torch.manual_seed(0)
    model = torchvision.models.resnet18()
    torch.save(model.state_dict(), tmp_path / 'r18.pth')
    for i in range(3):
        colour = (80 * i, 120, 200 - 60 * i)
        Image.new('RGB', (60 + i, 50), colour).save(tmp_path / f'{i}.png')
    argv = ['sensitivity', '--model', 'torchvision:resnet18', '--ratios', '0.25']
    argv += ['--weights', str(tmp_path / 'r18.pth'), '--photos', str(tmp_path)]
    argv += ['--images', '2', '--input-shape', '3', '32', '32', '--json']
    assert main(argv) == 0
    found = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert found['full'] == 0 and len(found['units']) == 12
    assert all(unit['losses'][0] > 0 for unit in found['units'])
    assert main([*argv[:-1], '--photos', str(tmp_path / 'none')]) == 1
    assert 'no photo there' in capsys.readouterr().err
