"""Files are written whole or not at all, beside nobody else's."""

import os
import signal
import subprocess
import sys

import pytest
import torch

from mmdmcp import files
from mmdmcp.checkpoints import read_checkpoint
from mmdmcp.errors import CheckpointError, ConfigError, SubnetError
from mmdmcp.files import atomic_file, remove_leftovers


def names(folder):
    return sorted(os.listdir(folder))


def test_a_file_takes_its_place_at_the_end(tmp_path):
    path = tmp_path / 'a'
    path.write_bytes(b'old')
    with atomic_file(path) as file:
        file.write(b'new')
        assert path.read_bytes() == b'old'
    assert path.read_bytes() == b'new' and names(tmp_path) == ['a']


def test_an_error_leaves_what_was_there(tmp_path):
    path = tmp_path / 'a'
    path.write_bytes(b'old')
    with pytest.raises(ZeroDivisionError), atomic_file(path) as file:
        file.write(b'new')
        1 / 0
    assert path.read_bytes() == b'old' and names(tmp_path) == ['a']


@pytest.mark.parametrize('length', [1, 255])
def test_any_name_that_the_file_system_takes(tmp_path, length):
    with atomic_file(tmp_path / ('a' * length)) as file:
        file.write(b'x')
    assert names(tmp_path) == ['a' * length]


def test_a_link_in_place_of_the_unfinished_file_is_not_followed(tmp_path, monkeypatch):
    victim = tmp_path / 'victim'
    victim.write_bytes(b'theirs')
    monkeypatch.setattr(files.secrets, 'token_hex', lambda n: 'guessed')
    (tmp_path / '.mmdmcp-guessed.tmp').symlink_to(victim)
    with pytest.raises(FileExistsError), atomic_file(tmp_path / 'a') as file:
        file.write(b'ours')
    assert victim.read_bytes() == b'theirs'


def test_names_of_unfinished_files_differ(tmp_path):
    with atomic_file(tmp_path / 'a') as one, atomic_file(tmp_path / 'a') as other:
        assert one.name != other.name


def test_what_a_killed_process_left_is_removed(tmp_path):
    script = (
        'import os, signal\n'
        'from mmdmcp.files import atomic_file\n'
        f'with atomic_file({str(tmp_path / "a")!r}) as file:\n'
        '    file.write(b"half")\n'
        '    file.flush()\n'
        '    os.kill(os.getpid(), signal.SIGKILL)\n'
    )
    done = subprocess.run([sys.executable, '-c', script], env=os.environ)
    assert done.returncode == -signal.SIGKILL
    (left,) = names(tmp_path)
    assert remove_leftovers(tmp_path) == [left]
    assert names(tmp_path) == []


def test_what_is_being_written_stays(tmp_path):
    with atomic_file(tmp_path / 'a') as file:
        file.write(b'x')
        assert remove_leftovers(tmp_path) == []
    assert (tmp_path / 'a').read_bytes() == b'x'


# A pipe that nobody writes into would make these wait for ever.
@pytest.fixture
def pipe(tmp_path):
    path = tmp_path / 'epoch_1.pth'
    os.mkfifo(path)
    return path


@pytest.mark.timeout(120)
@pytest.mark.parametrize('path', ['pipe', '/dev/zero', '/'])
def test_only_files_are_read_as_checkpoints(path, pipe):
    with pytest.raises(CheckpointError, match='it is a (pipe or a device|folder)'):
        read_checkpoint(pipe if path == 'pipe' else path)


@pytest.mark.timeout(120)
def test_a_pipe_is_no_config_and_no_subnet(pipe):
    from mmdmcp.preflight.config import load_config
    from mmdmcp.subnet import Subnet

    with pytest.raises(SubnetError, match='not a file'):
        Subnet.load(pipe)
    with pytest.raises(ConfigError, match='no config'):
        load_config(str(pipe))


@pytest.mark.timeout(120)
def test_a_pipe_among_checkpoints_is_passed_over(pipe):
    from mmdmcp.checkpoints.resume import find_good_checkpoint

    content = dict(state_dict={}, optimizer={}, meta=dict(epoch=0, iter=0))
    torch.save(content, pipe.with_name('epoch_0.pth'))
    found = find_good_checkpoint(str(pipe.parent))
    assert found.path == str(pipe.with_name('epoch_0.pth'))
    assert 'it is a pipe' in found.warnings[0]


@pytest.mark.timeout(120)
def test_a_pipe_in_place_of_an_image(pipe):
    from mmengine.fileio import get

    from mmdmcp.compat import repair_mmengine

    repair_mmengine()
    with pytest.raises(OSError, match=r'epoch_1.pth .*it is a pipe'):
        get(str(pipe))
    with pytest.raises(FileNotFoundError):
        get(str(pipe) + 'x')
