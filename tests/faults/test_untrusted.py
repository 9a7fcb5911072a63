"""A file that a user was sent never executes code."""

import os
from pathlib import Path

import pytest
import torch

from mmdmcp.apis import test as run_test
from mmdmcp.apis import train
from mmdmcp.errors import CheckpointError, MmdmcpError

CONFIG = str(Path(__file__).with_name('search_config.py'))


class Payload:
    """Makes a folder when it is unpickled."""

    def __init__(self, path):
        self.path = str(path)

    def __reduce__(self):
        return os.mkdir, (self.path,)


@pytest.fixture
def trap(tmp_path):
    """A folder that must not come to be."""
    path = tmp_path / 'executed'
    yield path
    assert not path.exists()


def test_the_trap_works(tmp_path):
    """Else no test below could fail."""
    torch.save(Payload(tmp_path / 'x'), tmp_path / 'a.pth')
    torch.load(tmp_path / 'a.pth', weights_only=False)
    assert (tmp_path / 'x').is_dir()


@pytest.fixture
def malicious(tmp_path, trap):
    path = tmp_path / 'epoch_1.pth'
    torch.save(
        dict(
            state_dict={},
            optimizer={},
            meta=dict(epoch=1, iter=9),
            message_hub=Payload(trap),
        ),
        path,
    )
    return path


def options(tmp_path):
    return dict(work_dir=str(tmp_path / 'work'))


def test_resume_from_a_path(tmp_path, malicious):
    with pytest.raises(CheckpointError, match='run code'):
        train(CONFIG, resume=str(malicious), **options(tmp_path))


def test_resume_auto(tmp_path, malicious):
    with pytest.raises(CheckpointError, match='run code'):
        train(CONFIG, resume='auto', work_dir=str(malicious.parent))


def test_load_from(tmp_path, malicious):
    with pytest.raises(CheckpointError, match='run code'):
        train(CONFIG, cfg_options=dict(load_from=str(malicious)), **options(tmp_path))


def test_checkpoint_to_test(tmp_path, malicious):
    config = 'configs/pruning/dmcp/resnet14_digits.py'
    with pytest.raises(CheckpointError, match='run code'):
        run_test(
            str(Path(__file__).parents[2] / config), str(malicious), **options(tmp_path)
        )


def test_pretrained_weights(tmp_path, malicious):
    """``init_cfg=dict(type='Pretrained')`` reads with mmengine's loader."""
    from mmengine.runner import load_checkpoint
    from torch import nn

    with pytest.raises(Exception, match='[Ww]eights.only'):
        load_checkpoint(nn.Linear(1, 1), str(malicious))


def test_the_config_inside_a_checkpoint_is_not_run(tmp_path, trap):
    """mmengine parses it as Python when it resumes, which executes it."""
    work_dir = tmp_path / 'work'
    train(
        CONFIG,
        work_dir=str(work_dir),
        validate=False,
        cfg_options={'train_cfg.max_epochs': 3},
    )
    path = work_dir / 'epoch_3.pth'
    checkpoint = torch.load(path, weights_only=True)
    checkpoint['meta']['config'] = f'import os\nos.mkdir({str(trap)!r})\n'
    torch.save(checkpoint, path)
    runner = train(CONFIG, resume=str(path), work_dir=str(work_dir), validate=False)
    assert runner.epoch == 4


def test_subnet_and_json_files(tmp_path, trap):
    from mmdmcp.subnet import Subnet

    path = tmp_path / 'DMCP_SUBNET_X.yaml'
    path.write_text(f'format: !!python/object/apply:os.mkdir [{trap}]\n')
    with pytest.raises(MmdmcpError):
        Subnet.load(path)
