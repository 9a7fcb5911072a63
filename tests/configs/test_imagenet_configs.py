"""ImageNet configs run unchanged, on a small folder of real photos."""

import pytest
import torch

from mmdmcp.apis import train
from mmdmcp.subnet import Subnet

CLASSES = (
    'dress',
    'hat',
    'longsleeve',
    'outwear',
    'pants',
    'shirt',
    'shoes',
    'shorts',
    'skirt',
    't-shirt',
)


def small(data_root, classifier, pairs):
    """Options: folders of 10 classes, 64x64 images, a few of them."""
    options = {
        f'{classifier}.head.num_classes': 10,
        'train_cfg.max_epochs': 1,
        'train_dataloader.batch_size': 4,
        'train_dataloader.dataset.pipeline.1.scale': 64,
        'val_dataloader.dataset.pipeline.1.scale': 72,
        'val_dataloader.dataset.pipeline.2.crop_size': 64,
        'val_evaluator.topk': (1,),
        'randomness.seed': 0,
    }
    for part in ('train_dataloader', 'val_dataloader'):
        options.update(
            {
                f'{part}.num_workers': 0,
                f'{part}.persistent_workers': False,
                f'{part}.dataset.data_root': str(data_root / 'clothing_160'),
                f'{part}.dataset.metainfo.classes': CLASSES,
            }
        )
    return {**options, **pairs}


@pytest.mark.slow
@pytest.mark.parametrize(
    'net, name', [('resnet50', 'RESNET50'), ('mobilenetv2', 'MOBILENETV2')]
)
def test_search_and_retraining_run(net, name, data_root, repo_root, tmp_path):
    """Six iterations on either side of arch_start, then the subnet."""
    if not (data_root / 'clothing_160').is_dir():
        pytest.skip(f'no clothing_160 in {data_root}')
    folder = repo_root / 'configs' / 'pruning' / 'dmcp'
    search = train(
        str(folder / f'dmcp_{net}_supernet_8xb32.py'),
        work_dir=str(tmp_path / 'search'),
        cfg_options=small(
            data_root,
            'model.architecture',
            {
                'model.input_shape': (3, 64, 64),
                'model.target': '50%',
                'model.arch_start': 6,
                'train_dataloader.dataset.indices': 50,
                'val_dataloader.dataset.indices': 100,
                'custom_hooks.0.recalibration_batches': 2,
                'custom_hooks.0.num_candidates': 1,
            },
        ),
    )
    assert search.iter == 12 and search.model.schedule.iteration == 12
    assert torch.isfinite(search.model.mutator.alpha).all()
    path = tmp_path / 'search' / f'DMCP_SUBNET_{name}.yaml'
    subnet = Subnet.load(path)
    assert subnet.cost['macs'] == pytest.approx(
        search.model.budget.values['macs'], rel=0.01
    )

    retraining = train(
        str(folder / f'dmcp_{net}_subnet_8xb32.py'),
        work_dir=str(tmp_path / 'retraining'),
        cfg_options=small(
            data_root,
            'model.cfg',
            {
                'model.subnet': str(path),
                'train_dataloader.dataset.indices': 8,
                'val_dataloader.dataset.split': '',
                'val_dataloader.dataset.data_prefix': 'validation',
                'val_dataloader.dataset.indices': 8,
            },
        ),
    )
    assert retraining.iter == 2
    params = sum(p.numel() for p in retraining.model.parameters())
    assert params == subnet.cost['params']
