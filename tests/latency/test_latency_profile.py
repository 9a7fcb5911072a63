"""A profile is a plain file: what is written is read, all else refused."""

from dataclasses import replace

import pytest

from mmdmcp.errors import ProfileError
from mmdmcp.latency import BlockTimes, Conditions, NetworkTime, Profile, Rest

CONDITIONS = Conditions(
    'Net', (3, 8, 8), 1, 'pytorch', 'cpu', 'A: processor', 1, {'torch': '2.11'}
)
BLOCK = BlockTimes('conv', ('a', 'b'), 9, (2, 4), (8,), ((70,), (90,)), 3, 0.02)
NETWORK = NetworkTime((4, 8), 300, 3, 0.01)
PROFILE = Profile(CONDITIONS, (BLOCK,), (NETWORK,), Rest(1.25, 40, 0.015))


def test_a_file_says_what_was_measured(tmp_path):
    PROFILE.save(tmp_path / 'L.yaml')
    found = Profile.load(tmp_path / 'L.yaml')
    assert found == PROFILE and found.path == str(tmp_path / 'L.yaml')


def test_measured_again_the_fastest_stays():
    again = replace(BLOCK, ns=((80,), (60,)), rounds=2, spread=0.01)
    other = replace(BLOCK, what='another')
    found = PROFILE.merged(Profile(CONDITIONS, (again, other)))
    assert found.blocks == (
        replace(BLOCK, ns=((70,), (60,)), rounds=5, spread=0.01),
        other,
    )
    assert found.networks == (NETWORK,) and found.rest is None


def test_what_was_measured_otherwise_is_not_merged():
    other = Profile(replace(CONDITIONS, threads=2), ())
    with pytest.raises(ProfileError, match='threads: 1, not 2: name another file'):
        PROFILE.merged(other)


@pytest.mark.parametrize(
    'old, new, message',
    [
        ('format: 1', 'format: 2', 'reads profiles of format 1'),
        ('runtime: pytorch', 'runtime: tvm', "'tvm'; it can be pytorch or onnxruntime"),
        ('threads: 1', 'threads: 0', 'threads: 0 is out of range'),
        ('threads: 1\n', '', "key 'threads' is missing"),
        ('threads: 1', 'thread: 1', "unknown key 'thread'"),
        ('in: [2, 4]', 'in: [4, 2]', r'blocks\[0\]: in must increase'),
        ('in: [2, 4]', 'in: [2]', r'blocks\[0\]: ns must have a row for each of the 1'),
        ('[70]', '[0]', r'blocks\[0\]: ns: 0 is out of range'),
        ('[70]', '[7.5]', 'reads as float'),
        ('[70]', '&a [70]', 'anchors and aliases'),
        ('[70]', '!!python/name:os.system', 'plain values only'),
        ('scale_permille: 1250', 'scale_permille: 0', 'rest: scale_permille'),
    ],
)
def test_a_damaged_file_is_refused(tmp_path, old, new, message):
    path = tmp_path / 'L.yaml'
    PROFILE.save(path)
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))
    with pytest.raises(ProfileError, match=rf'L\.yaml: .*{message}'):
        Profile.load(path)


def test_a_missing_file_says_how_to_make_one(tmp_path):
    with pytest.raises(ProfileError, match='does not exist.*mmdmcp profile CONFIG'):
        Profile.load(tmp_path / 'none.yaml')
