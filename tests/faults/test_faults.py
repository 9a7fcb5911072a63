"""Nothing is lost: whatever happens, the search ends as it would have.

Each test runs a search in a process of its own, lets something happen to
it, resumes it, and compares every number with the uninterrupted run.
"""

import multiprocessing
import resource
import signal
import sys
from pathlib import Path

import pytest
import torch
from mmengine.config import Config

from mmdmcp.apis import train
from mmdmcp.compat import allow_containers
from mmdmcp.errors import CheckpointError, DataError, TrainingError

HERE = Path(__file__).parent
CONFIG = HERE / 'search_config.py'
sys.path.insert(0, str(HERE))

import accidents  # noqa: F401  (registers what goes wrong)

# 4 epochs of 9 iterations; the chains train from iteration 18 on.
BEFORE_ARCH, AFTER_ARCH = 13, 24


def run(work_dir, accident=None, file_limit=None, **options):
    """Search in a process of its own.

    Returns:
        Exit code (negative: the signal that killed it; 1: an error) and the
        error's type and text.
    """
    context = multiprocessing.get_context('fork')
    receiver, sender = context.Pipe(duplex=False)

    def search():
        # A shell that starts the tests in the background has it ignored.
        signal.signal(signal.SIGINT, signal.default_int_handler)
        if file_limit:
            resource.setrlimit(resource.RLIMIT_FSIZE, (file_limit, file_limit))
        settings = dict(options.pop('cfg_options', {}))
        if accident:
            hooks = Config.fromfile(CONFIG).custom_hooks
            settings['custom_hooks'] = [*hooks, accident]
        try:
            train(str(CONFIG), work_dir=str(work_dir), cfg_options=settings, **options)
        except (Exception, KeyboardInterrupt) as error:
            sender.send((type(error), str(error)))
            raise SystemExit(1) from error

    process = context.Process(target=search)
    process.start()
    sender.close()
    try:
        error = receiver.recv()
    except EOFError:
        error = (None, '')
    process.join()
    return process.exitcode, error


def outcome(work_dir):
    """The subnet file's text, and every number of the last checkpoint."""
    allow_containers()  # of MMEngine's message hub
    checkpoint = torch.load(
        work_dir / 'epoch_4.pth', map_location='cpu', weights_only=True
    )
    weights = torch.load(work_dir / 'DMCP_SUBNET_TINY.pth', weights_only=True)
    return (
        (work_dir / 'DMCP_SUBNET_TINY.yaml').read_text(),
        checkpoint['state_dict'],
        weights['state_dict'],
    )


@pytest.fixture(scope='module')
def uninterrupted(tmp_path_factory):
    work_dir = tmp_path_factory.mktemp('uninterrupted')
    code, error = run(work_dir)
    assert code == 0, error
    return outcome(work_dir)


def assert_same(found, expected):
    assert found[0] == expected[0]
    for state, reference in zip(found[1:], expected[1:]):
        assert state.keys() == reference.keys()
        for name in reference:
            assert torch.equal(state[name], reference[name]), name


def resume_and_compare(work_dir, uninterrupted, **options):
    code, error = run(work_dir, resume='auto', **options)
    assert code == 0, error
    assert_same(outcome(work_dir), uninterrupted)


def test_the_same_seed_gives_the_same_search(tmp_path, uninterrupted):
    assert run(tmp_path)[0] == 0
    assert_same(outcome(tmp_path), uninterrupted)


@pytest.mark.parametrize(
    'accident',
    [
        dict(type='SignalAt', iteration=BEFORE_ARCH, number=signal.SIGKILL),
        dict(type='SignalAt', iteration=AFTER_ARCH, number=signal.SIGKILL),
        dict(type='KillWhileWriting', name='epoch_3.pth'),
        dict(type='KillAtExport'),
    ],
    ids=['before_arch', 'after_arch', 'writing_checkpoint', 'export'],
)
def test_kill_9(tmp_path, uninterrupted, accident):
    assert run(tmp_path, accident)[0] == -signal.SIGKILL
    resume_and_compare(tmp_path, uninterrupted)


def test_sigterm_writes_a_checkpoint_in_the_middle_of_an_epoch(tmp_path, uninterrupted):
    accident = dict(type='SignalAt', iteration=AFTER_ARCH - 1, number=signal.SIGTERM)
    assert run(tmp_path, accident)[0] == 128 + signal.SIGTERM
    assert (tmp_path / f'iter_{AFTER_ARCH}.pth').exists()
    resume_and_compare(tmp_path, uninterrupted)


@pytest.mark.parametrize('persistent', [False, True])
@pytest.mark.parametrize('number', [signal.SIGTERM, signal.SIGINT])
def test_workers_outlive_a_signal_to_the_whole_run(tmp_path, number, persistent):
    """Slurm, ``timeout`` and Ctrl-C signal data-loader workers as well."""
    accident = dict(type='SignalGroupAt', iteration=AFTER_ARCH - 1, number=int(number))
    workers = {
        f'{part}_dataloader.{key}': value
        for part in ('train', 'val')
        for key, value in (('num_workers', 2), ('persistent_workers', persistent))
    }
    code, error = run(tmp_path, accident, cfg_options=workers)
    assert code == 128 + number, error
    assert (tmp_path / f'iter_{AFTER_ARCH}.pth').exists()
    if not persistent:
        code, error = run(tmp_path, resume='auto', cfg_options=workers)
        assert code == 0, error


def test_a_second_ctrl_c_stops_at_once(tmp_path):
    accident = dict(
        type='SignalAt', iteration=AFTER_ARCH, number=signal.SIGINT, times=2
    )
    code, (kind, _) = run(tmp_path, accident)
    assert code == 1 and kind is KeyboardInterrupt
    assert not list(tmp_path.glob('iter_*.pth'))


@pytest.mark.parametrize('damage', ['truncated', 'empty', 'noise'])
def test_a_damaged_checkpoint_falls_back_to_the_one_before(
    tmp_path, uninterrupted, damage
):
    accident = dict(type='SignalAt', iteration=AFTER_ARCH + 4, number=signal.SIGKILL)
    assert run(tmp_path, accident)[0] == -signal.SIGKILL
    newest = tmp_path / 'epoch_3.pth'
    data = newest.read_bytes()
    newest.write_bytes(
        dict(
            truncated=data[: len(data) // 2],
            empty=b'',
            noise=b'\x80\x02' + data[5000:9000],
        )[damage]
    )
    resume_and_compare(tmp_path, uninterrupted)
    logs = ''.join(p.read_text() for p in tmp_path.glob('*/*.log'))
    assert 'epoch_3.pth is passed over' in logs and 'epoch_2.pth' in logs


def test_only_damaged_checkpoints_are_an_error(tmp_path):
    (tmp_path / 'epoch_1.pth').write_bytes(b'nothing')
    code, (kind, text) = run(tmp_path, resume='auto')
    assert code == 1 and kind is CheckpointError
    assert 'epoch_1.pth' in text and '--resume' in text


def test_a_full_disk(tmp_path, uninterrupted):
    """The checkpoint of the third epoch, grown by the chains' momentum,
    does not fit any more; the ones before stay whole."""
    accident = dict(type='SignalAt', iteration=AFTER_ARCH, number=signal.SIGKILL)
    run(tmp_path, accident)
    sizes = [(tmp_path / f'epoch_{i}.pth').stat().st_size for i in (1, 2)]
    code, (kind, text) = run(tmp_path, resume='auto', file_limit=max(sizes) + 500)
    assert code == 1 and kind is CheckpointError
    assert 'epoch_3.pth' in text and '--resume' in text
    assert not (tmp_path / 'epoch_3.pth').exists()
    resume_and_compare(tmp_path, uninterrupted)


def test_a_data_file_that_disappears(tmp_path, uninterrupted):
    needed = tmp_path / 'needed'
    needed.write_bytes(b'')
    data = {
        'train_dataloader.dataset.pipeline': [
            dict(type='ReadsFile', path=str(needed)),
            dict(type='RandomCrop', crop_size=8, padding=1),
            dict(type='PackInputs'),
        ]
    }
    work_dir = tmp_path / 'run'
    accident = dict(type='RemoveFileAt', path=str(needed), iteration=AFTER_ARCH)
    code, (kind, text) = run(work_dir, accident, cfg_options=data)
    assert code == 1 and kind is DataError
    assert str(needed) in text and '--resume' in text
    needed.write_bytes(b'')
    resume_and_compare(work_dir, uninterrupted, cfg_options=data)


def test_nan_in_a_batch(tmp_path, uninterrupted):
    accident = dict(type='NanAt', iteration=AFTER_ARCH)
    code, (kind, text) = run(tmp_path, accident)
    assert code == 1 and kind is TrainingError
    assert f'iteration {AFTER_ARCH}' in text and '--resume' in text
    resume_and_compare(tmp_path, uninterrupted)


def test_weights_that_are_no_numbers_are_not_saved(tmp_path, uninterrupted):
    """The loss of the epoch's last iteration was finite on this rank."""
    accident = dict(type='BreakWeightAt', iteration=17)
    code, (kind, text) = run(tmp_path, accident)
    assert code == 1 and kind is TrainingError
    assert 'conv1.weight' in text and '--resume' in text
    assert not (tmp_path / 'epoch_2.pth').exists()
    resume_and_compare(tmp_path, uninterrupted)
