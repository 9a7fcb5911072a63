"""Weights in the repository are as good as the metafiles say."""

from pathlib import Path

import pytest
import yaml

from mmdmcp.apis import test as evaluate
from mmdmcp.subnet import Subnet

ROOT = Path(__file__).parents[2]
MODELS = [
    model
    for path in yaml.safe_load((ROOT / 'model-index.yml').read_text())['Import']
    for model in yaml.safe_load((ROOT / path).read_text())['Models']
    if 'Weights' in model
]

# On the first 1,000 of CIFAR-10's test images; the metafile has all of them.
FIRST = {'dmcp_resnet20_subnet_2xb64_cifar10': 74.0}


@pytest.mark.parametrize('model', MODELS, ids=lambda model: model['Name'])
def test_published_weights_score_what_is_said(model, tmp_path, request):
    weights = ROOT / model['Weights']
    assert weights.stat().st_size < 2**21
    file = ROOT / model['Metadata']['Subnet']
    cost = Subnet.load(file).cost
    assert cost['macs'] == model['Metadata']['FLOPs']
    assert cost['params'] == model['Metadata']['Parameters']
    (result,) = model['Results']
    said = result['Metrics']['Top 1 Accuracy']
    options = {'model.subnet': str(file)}
    if result['Dataset'] == 'CIFAR-10':
        said = FIRST[model['Name']]
        options['test_dataloader.dataset.data_root'] = str(
            request.getfixturevalue('cifar10')
        )
        options['test_dataloader.dataset.indices'] = 1000
    metrics = evaluate(
        str(ROOT / model['Config']),
        str(weights),
        work_dir=str(tmp_path),
        cfg_options=options,
    )
    assert round(metrics['accuracy/top1'], 2) == said


def test_there_are_some():
    assert 'dmcp_resnet14_subnet_digits' in [model['Name'] for model in MODELS]
