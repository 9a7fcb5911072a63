"""A segmentor or a detector itself: search or pruning, file, retraining."""

import pytest
import torch
from mmengine.model import revert_sync_batchnorm
from torch.utils.flop_counter import FlopCounterMode

from mmdmcp.apis import test as run_test
from mmdmcp.apis import train
from mmdmcp.deploy import load_pair
from mmdmcp.deploy.models import full_model
from mmdmcp.subnet import Subnet

FOLDER = 'segmentation/'
SEARCH = FOLDER + 'dmcp_fcn-r18-d8_supernet_1xb8_camvid.py'
RETRAIN = FOLDER + 'dmcp_fcn-r18-d8_subnet_1xb8_camvid.py'
PRUNE = FOLDER + 'importance_fcn-r18-d8{}_1xb8_camvid.py'
DETECTOR = 'detection/dmcp_rtmdet-tiny_{}_1xb8_bccd.py'


@pytest.fixture
def options(data_root):
    """Two epochs of two small batches."""
    found = {
        'train_cfg.max_epochs': 2,
        'train_cfg.val_interval': 2,
        'train_dataloader.batch_size': 2,
        'train_dataloader.dataset.pipeline.3.crop_size': (64, 64),
        'default_hooks.logger.interval': 1,
    }
    for part in ('train', 'val', 'test'):
        found.update(
            {
                f'{part}_dataloader.dataset.data_root': f'{data_root}/camvid_240',
                f'{part}_dataloader.dataset.indices': 4 if part == 'train' else 2,
                f'{part}_dataloader.num_workers': 0,
            }
        )
    return found


def test_search_file_retraining_of_a_segmentor(options, repo_root, tmp_path):
    configs = str(repo_root / 'configs')
    work = str(tmp_path / 'search')
    train(
        f'{configs}/{SEARCH}',
        work_dir=work,
        cfg_options={
            **options,
            'model.architecture.data_preprocessor.size': (64, 64),
            'model.input_shape': (3, 64, 64),
            'custom_hooks.0.num_candidates': 1,
            'custom_hooks.0.recalibration_batches': 1,
            'val_cfg.recalibration_batches': 1,
        },
    )
    file = f'{work}/DMCP_SUBNET_CAMVID.yaml'
    subnet = Subnet.load(file)
    # Heads are searched with the backbone, and the target is met.
    assert 'decode_head.convs.0.conv' in subnet.units
    assert 'auxiliary_head.convs.0.conv' in subnet.layers
    target = subnet.target['macs']
    assert abs(subnet.cost['macs'] - target) <= 0.01 * target
    # Retraining, with both heads, then the test part.
    options = {
        **options,
        'model.cfg.data_preprocessor.size': (64, 64),
        'model.subnet': file,
    }
    runner = train(
        f'{configs}/{RETRAIN}', work_dir=str(tmp_path / 'retrain'), cfg_options=options
    )
    model = revert_sync_batchnorm(runner.model).eval()
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        model(torch.rand(1, 3, 64, 64))
    assert counter.get_total_flops() // 2 == subnet.cost['macs']
    metrics = run_test(
        f'{configs}/{RETRAIN}',
        f'{runner.work_dir}/epoch_2.pth',
        work_dir=str(tmp_path / 'test'),
        cfg_options=options,
    )
    assert 0 <= metrics['mIoU'] <= 100
    # The search's own weights belong to the file, too.
    model.load_state_dict(
        torch.load(f'{work}/DMCP_SUBNET_CAMVID.pth', weights_only=True)['state_dict']
    )
    assert type(model).__name__ == 'EncoderDecoder'


@pytest.mark.every_model
def test_a_trained_segmentor_is_pruned_and_distilled(options, repo_root, tmp_path):
    torch.manual_seed(0)
    prune, small, distil = (
        str(repo_root / 'configs' / PRUNE.format(role))
        for role in ('', '_subnet', '_distill')
    )
    size = (64, 64)
    full = full_model(small)
    trained = str(tmp_path / 'full.pth')
    torch.save(dict(meta={}, state_dict=full.state_dict()), trained)
    train(
        prune,
        work_dir=str(tmp_path / 'pruned'),
        cfg_options={
            **options,
            'load_from': trained,
            'model.architecture.data_preprocessor.size': size,
            'model.input_shape': (3, *size),
        },
    )
    file = f'{tmp_path}/pruned/IMPORTANCE_SUBNET_FCN_R18_CAMVID.yaml'
    subnet = Subnet.load(file)
    assert subnet.cost['macs'] == pytest.approx(subnet.target['macs'], rel=0.01)
    runner = train(
        distil,
        work_dir=str(tmp_path / 'distilled'),
        cfg_options={
            **options,
            'model.student.subnet': file,
            'model.student.init_cfg.checkpoint': trained,
            'model.student.cfg.data_preprocessor.size': size,
            'model.teacher.data_preprocessor.size': size,
            'model.teacher_checkpoint': trained,
        },
    )
    # The student's own config tests what distillation leaves.
    metrics = run_test(
        small,
        f'{runner.work_dir}/epoch_2.pth',
        work_dir=str(tmp_path / 'test'),
        cfg_options={**options, 'model.subnet': file},
    )
    assert 0 <= metrics['mIoU'] <= 100


@pytest.mark.every_model
def test_a_search_of_a_detector_starts_from_the_trained_one(
    data_root, repo_root, tmp_path
):
    torch.manual_seed(0)
    search, small = (
        str(repo_root / 'configs' / DETECTOR.format(role))
        for role in ('supernet', 'subnet')
    )
    full = full_model(small)
    trained = str(tmp_path / 'full.pth')
    torch.save(dict(meta={}, state_dict=full.state_dict()), trained)
    options = {
        'load_from': trained,
        'train_cfg.max_epochs': 2,
        'train_cfg.val_interval': 2,
        'train_dataloader.batch_size': 2,
        'custom_hooks.0.switch_epoch': 0,
        'custom_hooks.1.num_candidates': 0,
        'custom_hooks.1.recalibration_batches': 1,
        'val_cfg.nets': ('expected',),
        'val_cfg.recalibration_batches': 1,
        # None moves the weights, so that they can be compared.
        'optim_wrapper.architecture.optimizer.lr': 0.0,
        'val_evaluator.ann_file': f'{data_root}/bccd/annotations/val.json',
        'test_evaluator.ann_file': f'{data_root}/bccd/annotations/test.json',
    }
    for part in ('train', 'val', 'test'):
        options[f'{part}_dataloader.dataset.data_root'] = f'{data_root}/bccd/'
        options[f'{part}_dataloader.dataset.indices'] = 2
        options[f'{part}_dataloader.num_workers'] = 0
        options[f'{part}_dataloader.persistent_workers'] = False
    runner = train(search, work_dir=str(tmp_path / 'search'), cfg_options=options)
    searched = dict(runner.model.architecture.named_parameters())
    assert all(torch.equal(p, searched[name]) for name, p in full.named_parameters())
    file = tmp_path / 'search' / 'DMCP_SUBNET_RTMDET_TINY_BCCD.yaml'
    subnet = Subnet.load(file)
    assert subnet.cost['macs'] == pytest.approx(subnet.target['macs'], rel=0.01)
    net = load_pair(small, str(file)).build_pruned(str(file.with_suffix('.pth')))
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        net(torch.rand(1, 3, 320, 320))
    assert counter.get_total_flops() // 2 == subnet.cost['macs']
    # The subnet's weights are rows of the trained ones.
    first = 'backbone.stem.0.conv.weight'
    rows = full.state_dict()[first].flatten(1)
    for row in net.state_dict()[first].flatten(1):
        assert (rows == row).all(1).any()
