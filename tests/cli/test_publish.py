"""The weights of a checkpoint, for machines without OpenMMLab."""

import subprocess
import sys

import pytest
import torch
from mmengine.logging import HistoryBuffer

from mmdmcp.cli import main


@pytest.fixture
def checkpoint(tmp_path):
    """As MMEngine's Runner writes it."""
    path = tmp_path / 'epoch_1.pth'
    torch.save(
        dict(
            meta=dict(epoch=1),
            state_dict={
                'module.head.fc.weight': torch.ones(2, 3),
                'module.head.fc.bias': torch.zeros(2),
            },
            message_hub=dict(log_scalars=dict(loss=HistoryBuffer([1.0], [1]))),
            optimizer=dict(state=torch.ones(1000)),
        ),
        path,
    )
    return path


def test_the_weights_are_all_that_is_left(checkpoint, tmp_path, capsys):
    """torch alone loads the result, and could not load the checkpoint."""
    out = tmp_path / 'new' / 'net.pth'
    assert main(['publish', str(checkpoint), str(out)]) == 0
    said = capsys.readouterr().out
    assert '2 tensors' in said
    assert 'left out: message_hub, meta, optimizer' in said
    code = (
        'import sys, torch; '
        'weights = torch.load(sys.argv[1], weights_only=True); '
        'print({name: list(x.shape) for name, x in weights.items()})'
    )

    def load(path):
        return subprocess.run(
            [sys.executable, '-c', code, str(path)], text=True, capture_output=True
        )

    assert load(out).stdout == "{'head.fc.weight': [2, 3], 'head.fc.bias': [2]}\n"
    assert 'HistoryBuffer' in load(checkpoint).stderr
    assert main(['publish', str(out), str(out)]) == 0
    assert 'left out: nothing' in capsys.readouterr().out


@pytest.mark.parametrize(
    'content,said',
    [
        (None, 'there is no checkpoint at'),
        (dict(meta=1), 'holds no weights'),
        (dict(state_dict={'mutator.alpha': torch.ones(2)}), "is a search's"),
    ],
)
def test_what_holds_no_network(tmp_path, capsys, content, said):
    path, out = tmp_path / 'x.pth', tmp_path / 'out.pth'
    if content is not None:
        torch.save(content, path)
    assert main(['publish', str(path), str(out)]) == 1
    assert said in capsys.readouterr().err
    assert not out.exists()


def test_a_place_that_can_not_be_written(checkpoint, capsys):
    out = checkpoint / 'net.pth'
    assert main(['publish', str(checkpoint), str(out)]) == 1
    assert f"CheckpointError: {out} can't be written" in capsys.readouterr().err
