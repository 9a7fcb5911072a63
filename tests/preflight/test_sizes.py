"""Sizes that do not fit are said before the training."""

from types import SimpleNamespace

import pytest
import torch
from mmengine.config import Config

from mmdmcp.apis import train
from mmdmcp.preflight.config import load_config
from mmdmcp.preflight.sizes import config_notices, size_notices
from mmdmcp.registry import HOOKS


class Images:
    """A data set of random images; reading one draws random numbers."""

    def __init__(self, *shape, classes=()):
        self.shape, self.metainfo = shape, dict(classes=classes)

    def __getitem__(self, index):
        return dict(inputs=torch.rand(self.shape))


class Broken(Images):
    def __getitem__(self, index):
        raise OSError('damaged')


def runner_of(train_data, val_data=None, shape=None):
    """What the check asks of a runner."""

    def loop(data):
        return data and SimpleNamespace(dataloader=SimpleNamespace(dataset=data))

    model = SimpleNamespace()
    if shape is not None:
        model.input_shape = shape
    return SimpleNamespace(
        train_loop=loop(train_data), val_loop=loop(val_data), model=model
    )


@pytest.mark.parametrize(
    'train_data, val_data, warned',
    [
        (Images(3, 32, 32), None, True),
        (Images(3, 32, 32), Images(3, 32, 32), True),
        (Images(3, 448, 448), None, True),
        (Images(3, 224, 224), None, False),
        (Images(3, 224, 300), None, False),  # a detector's
        (Images(3, 160, 160), Images(3, 224, 224), False),  # smaller crops
        (Broken(), None, False),  # the training says so
        (Images(), None, False),
    ],
)
def test_images_of_another_size_than_costs_are_counted_for(
    train_data, val_data, warned
):
    said = size_notices(runner_of(train_data, val_data, (3, 224, 224)), {})
    assert len(said) == warned
    if warned:
        size = 'x'.join(map(str, train_data.shape))
        assert f'3x224x224, but those of train_dataloader are {size}' in said[0]


def test_what_does_not_search_has_no_size():
    assert size_notices(runner_of(Images(3, 32, 32)), {}) == []


def test_looking_draws_nothing():
    torch.manual_seed(0)
    before = torch.get_rng_state()
    size_notices(runner_of(Images(3, 8, 8), None, (3, 8, 8)), {})
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize('outputs, warned', [(1000, 1), (12, 1), (11, 0), (10, 0)])
def test_a_head_with_more_outputs_than_classes(outputs, warned):
    data = Images(3, 8, 8, classes=tuple('abcdefghij'))
    head = dict(type='LinearClsHead', num_classes=outputs)
    model = dict(type='mmdmcp.DMCP', architecture=dict(head=head))
    said = size_notices(runner_of(data), model)
    assert len(said) == warned
    if warned:
        key = f'model.architecture.head.num_classes={outputs}, '
        assert said[0].startswith(key) and said[0].endswith('Set it to 10')


def test_other_heads_are_found_too():
    data = Images(3, 8, 8, classes=('a', 'b'))
    model = dict(
        decode_head=dict(num_classes=2),
        auxiliary_head=[dict(num_classes=2), dict(num_classes=19)],
        backbone=dict(num_classes=1000),
    )
    (said,) = size_notices(runner_of(data), model)
    assert said.startswith('model.auxiliary_head.1.num_classes=19')
    model['bbox_head'] = dict(num_classes=80)
    assert 'model.bbox_head.num_classes=80' in size_notices(runner_of(data), model)[1]


@HOOKS.register_module()
class StopAtOnce:
    """Ends a run before its first iteration."""

    def __new__(cls):
        from mmengine.hooks import Hook

        class Stop(Hook):
            def before_train(self, runner):
                raise InterruptedError

        return Stop()


def test_a_run_says_it_before_training(tmp_path, caplog):
    config = tmp_path / 'search.py'
    config.write_text(
        "_base_ = 'mmdmcp::pruning/dmcp/dmcp_resnet14_supernet_digits.py'\n"
        'model = dict(input_shape=(1, 32, 32), architecture=dict(\n'
        '    backbone=dict(depth=8), head=dict(num_classes=1000)))\n'
    )
    hooks = Config.fromfile(config).custom_hooks
    with pytest.raises(InterruptedError):
        train(
            str(config),
            work_dir=str(tmp_path / 'work'),
            cfg_options=dict(custom_hooks=[dict(type='mmdmcp.StopAtOnce'), *hooks]),
        )
    (log,) = (tmp_path / 'work').glob('*/*.log')
    text = log.read_text()
    assert 'images of 1x32x32, but those of train_dataloader are 1x8x8' in text
    assert 'model.architecture.head.num_classes=1000' in text


def test_a_config_tells_before_there_is_data(repo_root):
    """The crop of its pipeline, and the classes that its data set is known for."""
    path = 'configs/pruning/dmcp/dmcp_resnet18_supernet_8xb32.py'
    cfg = load_config(str(repo_root / path))
    assert config_notices(cfg, (3, 224, 224)) == []
    (said,) = config_notices(cfg, (3, 32, 32))
    assert 'images of 3x32x32, but those of train_dataloader are 3x224x224' in said
    cfg.model.architecture.head.num_classes = 1200
    (said,) = config_notices(cfg, (3, 224, 224))
    assert 'num_classes=1200, but train_dataloader has 1000' in said
    cfg.train_dataloader.dataset = dict(
        type='RepeatDataset', times=2, dataset=cfg.train_dataloader.dataset
    )
    assert len(config_notices(cfg, (3, 32, 32))) == 2
