"""One run owns a work dir."""

import errno
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from mmdmcp.apis import train
from mmdmcp.engine import work_dir
from mmdmcp.engine.work_dir import LOCK, own_work_dir
from mmdmcp.errors import LaunchError

CONFIG = str(Path(__file__).parents[1] / 'faults' / 'search_config.py')
OWNER = """
import sys
from mmdmcp.engine.work_dir import own_work_dir
with own_work_dir(sys.argv[1]) as owner:
    owner.begin(None)
    print('owned', flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def other(tmp_path):
    """Another process that owns the folder."""
    process = subprocess.Popen(
        [sys.executable, '-c', OWNER, str(tmp_path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout.readline() == 'owned\n'
    yield process
    process.kill()
    process.wait()


def test_a_second_run_is_told_who_owns_it(tmp_path, other):
    before = sorted(os.listdir(tmp_path))
    with pytest.raises(LaunchError) as error:
        train(CONFIG, work_dir=str(tmp_path))
    assert f'process {other.pid} on ' in str(error.value)
    assert '--work-dir' in str(error.value) and str(tmp_path) in str(error.value)
    assert sorted(os.listdir(tmp_path)) == before


def test_a_killed_run_owns_nothing(tmp_path, other):
    os.kill(other.pid, signal.SIGKILL)
    other.wait()
    assert (tmp_path / LOCK).exists()
    with own_work_dir(tmp_path) as owner:
        assert owner.notices == [] and owner.run is not None


def test_nor_does_one_whose_workers_outlive_it(tmp_path):
    """A forked process has none of its parent's locks."""
    with own_work_dir(tmp_path):
        worker = os.fork()
        if not worker:
            signal.pause()
    try:
        with own_work_dir(tmp_path):
            pass
    finally:
        os.kill(worker, signal.SIGKILL)
        os.waitpid(worker, 0)


def test_two_runs_in_one_process(tmp_path):
    with own_work_dir(tmp_path):
        for _ in range(2):  # being refused does not free it
            with pytest.raises(LaunchError, match=f'process {os.getpid()} on'):
                with own_work_dir(tmp_path / '.' / '..' / tmp_path.name):
                    pass
        code = subprocess.run(
            [sys.executable, '-c', OWNER, str(tmp_path)],
            stdin=subprocess.DEVNULL,
            capture_output=True,
        )
        assert b'LaunchError' in code.stderr
    with own_work_dir(tmp_path):
        pass


def test_a_file_system_without_locks_is_warned_of(tmp_path, monkeypatch):
    def lockf(*_):
        raise OSError(errno.ENOLCK, 'No locks available')

    monkeypatch.setattr(work_dir.fcntl, 'lockf', lockf)
    with own_work_dir(tmp_path) as owner:
        assert 'No locks available' in owner.notices[0]
        assert '--work-dir' in owner.notices[0]


def test_the_lock_does_not_follow_links(tmp_path):
    victim = tmp_path / 'victim'
    victim.write_text('theirs')
    folder = tmp_path / 'run'
    folder.mkdir()
    for name in (LOCK, 'last_checkpoint'):
        (folder / name).symlink_to(victim)
    with own_work_dir(folder, ['last_checkpoint']) as owner:
        owner.begin(None)
        assert "can't be locked" in owner.notices[0]
    assert victim.read_text() == 'theirs'
    assert not (folder / 'last_checkpoint').is_symlink()


def test_a_run_keeps_its_name_until_another_begins(tmp_path):
    with own_work_dir(tmp_path) as owner:
        assert owner.run is None
        owner.begin(None)
        name = owner.run
    with own_work_dir(tmp_path) as owner:
        assert owner.run == name
        owner.begin('a.pth')
    with own_work_dir(tmp_path) as owner:
        assert owner.run != name and owner.start == 'a.pth'
    (tmp_path / LOCK).write_text('{damaged')
    with own_work_dir(tmp_path) as owner:
        assert owner.run is None
