"""A run in channels_last: the option arrives, and what is cut keeps it."""

import copy
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from common.ranks import launch
from torch import nn

from mmdmcp.apis import train
from mmdmcp.engine import ChannelsLastHook
from mmdmcp.registry import MODELS
from mmdmcp.subnet import apply

SEARCH = 'pruning/dmcp/dmcp_resnet14_supernet_digits.py'
RETRAINING = 'pruning/dmcp/resnet14_digits.py'
SMALL = {
    'train_cfg.max_epochs': 2,
    'train_cfg.val_interval': 2,
    'param_scheduler.end': 2,
    'default_hooks.checkpoint.interval': 1,
    'model.backbone.depth': 8,
    'train_dataloader.dataset.indices': 128,
}


def turned(model):
    """Whether the weights of all 3x3 convolutions are."""
    weights = [
        m.weight
        for m in model.modules()
        if isinstance(m, nn.Conv2d) and m.kernel_size == (3, 3)
    ]
    # Of one input channel, both layouts are the same.
    return all(
        w.is_contiguous(memory_format=torch.channels_last)
        and (w.shape[1] == 1 or not w.is_contiguous())
        for w in weights
    )


@pytest.fixture(scope='module')
def algorithm():
    from mmengine.config import Config

    from mmdmcp.shipped import locate

    torch.manual_seed(0)
    model = Config.fromfile(locate(SEARCH)).model
    model.architecture.backbone.depth = 8
    model.architecture._scope_ = 'mmpretrain'
    return MODELS.build(model).eval()


def test_what_is_cut_out_of_a_supernet_keeps_the_layout(algorithm):
    other = copy.deepcopy(algorithm)
    ChannelsLastHook().before_run(SimpleNamespace(model=other))
    assert turned(other.architecture) and not turned(algorithm.architecture)
    images = torch.randn(4, *algorithm.input_shape)
    for choice in ('max', 'min', 'expected'):
        widths = algorithm.set_widths(choice)
        assert other.set_widths(choice) == widths
        expected = algorithm(images)
        torch.testing.assert_close(other(images), expected)
        small = other.cut(choice)
        assert turned(small)
        torch.testing.assert_close(small(images), expected)


def test_a_subnet_file_makes_a_turned_model_small(algorithm):
    subnet = algorithm.export_subnet('min')
    full = algorithm.mutator.supernet.plain_copy()
    small = apply(full.to(memory_format=torch.channels_last), subnet)
    assert turned(small)


def test_a_run_of_it_is_resumed_in_it(tmp_path):
    def run(folder, **more):
        return train(
            RETRAINING,
            work_dir=str(tmp_path / folder),
            cfg_options=SMALL,
            channels_last=True,
            **more,
        )

    whole = run('whole').model
    assert turned(whole)
    runner = run('again', resume=str(tmp_path / 'whole' / 'epoch_1.pth'))
    assert turned(runner.model)
    for entry in runner.optim_wrapper.optimizer.state.values():
        momentum = entry['momentum_buffer']
        if momentum.dim() == 4:
            assert momentum.is_contiguous(memory_format=torch.channels_last)
    again = runner.model.state_dict()
    for name, tensor in whole.state_dict().items():
        assert torch.equal(again[name], tensor), name


def test_ranks_train_in_it_as_without_it(tmp_path):
    script = Path(__file__).parents[1] / 'distributed' / 'channels_last_rank.py'
    first, second = launch(script, 2, tmp_path / 'out')
    assert first['layout']
    assert torch.equal(first['turned'], second['turned'])
    torch.testing.assert_close(first['turned'], first['plain'])
    assert 'MMDistributedDataParallel' in first['message']
