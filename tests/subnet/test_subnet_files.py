"""Plain YAML and nothing else; written whole or not at all."""

import os

import pytest
import yaml
from torch import nn

from mmdmcp import SubnetError
from mmdmcp.subnet import LayerWidth, Subnet, apply
from mmdmcp.subnet.files import (
    MAX_BYTES,
    Row,
    format_yaml,
    parse_yaml,
    read_yaml,
    write_atomically,
)


def test_plain_values_read_as_safe_load_reads_them():
    text = (
        'a: {b: 3, c: [1, 2]}\nd: word\ne: "93"\nf: 0-51 64-89\n\'0\': {}\n? g\n: - 1\n'
    )
    assert parse_yaml(text) == yaml.safe_load(text)


@pytest.mark.parametrize(
    'text, why',
    [
        ('', 'empty'),
        ('# only a comment\n', 'empty'),
        ('a: &x 1\nb: *x\n', 'anchors'),
        ('a: !!python/tuple [1, 2]\n', 'tag'),
        ('a: !!python/object/apply:os.system ["true"]\n', 'tag'),
        ('a: !!int 3\n', 'tag'),
        ('<<: {a: 1}\n', 'reads as merge'),
        ('a: 1\na: 2\n', "'a' appears twice"),
        ('a: {b: 1, b: 2}\n', "'b' appears twice"),
        ('a: 1.5\n', 'reads as float'),
        ('a: .nan\n', 'reads as float'),
        ('a: yes\n', 'reads as bool'),
        ('a:\n', 'reads as null'),
        ('a: 0x10\n', 'reads as int'),
        ('a: 010\n', 'reads as int'),
        ('a: 1_000\n', 'reads as int'),
        ('a: 2020-01-01\n', 'reads as timestamp'),
        ('a: ' + '9' * 5000, 'reads as int'),
        ('[1]: 2\n', 'key must be a word'),
        ('{a: 1\n', 'line 2, column 1: not valid YAML: .*expected'),
        ('a: 1\n---\nb: 2\n', 'more than one'),
        ('a: \x00\n', 'not valid YAML'),
        ('%YAML 99999999999999999999999.1\n--- a', 'not valid YAML'),
        ('[' * 100_000, 'nested too deeply'),
        ('{a: ' * 100_000, 'nested too deeply'),
        ('- ' * 100_000, 'nested too deeply'),
    ],
)
def test_anything_else_is_refused_by_name(text, why):
    with pytest.raises(SubnetError, match=why) as error:
        parse_yaml(text)
    assert len(str(error.value)) < 400


def test_an_alias_bomb_stays_small():
    lines = ['a0: &a0 [x, x]']
    lines += [f'a{i}: &a{i} [*a{i - 1}, *a{i - 1}]' for i in range(1, 60)]
    with pytest.raises(SubnetError, match='line 1, .*anchors'):
        parse_yaml('\n'.join(lines))


def test_rows_stand_on_one_line_and_nothing_is_folded_or_tagged():
    data = {
        'row': Row({'kept': ' '.join(map(str, range(0, 900, 2)))}),
        'list': Row(shape=[3, 224, 224]),
        'twice': {},
    }
    data['again'] = data['twice']
    text = format_yaml(data)
    assert yaml.safe_load(text) == data
    assert len(text.splitlines()) == 4
    assert '!!' not in text and '&' not in text


@pytest.mark.parametrize(
    'content, why',
    [
        (b'', 'empty'),
        (b'\xff\xfe\x00', 'not UTF-8'),
        (b'a: \xe9', 'not UTF-8'),
        (b'#' * (MAX_BYTES + 1), 'larger than 16 MiB'),
    ],
)
def test_files_that_hold_no_text(tmp_path, content, why):
    path = tmp_path / 'x.yaml'
    path.write_bytes(content)
    with pytest.raises(SubnetError, match=why):
        read_yaml(path)


def test_paths_that_are_no_files(tmp_path):
    with pytest.raises(SubnetError, match='does not exist'):
        read_yaml(tmp_path / 'none.yaml')
    with pytest.raises(SubnetError, match='not a file'):
        read_yaml(tmp_path)
    with pytest.raises(SubnetError, match='read|not a file|not exist'):
        read_yaml('a\0b')
    os.mkfifo(tmp_path / 'pipe')
    with pytest.raises(SubnetError, match='not a file'):
        read_yaml(tmp_path / 'pipe')


def test_a_message_is_shorter_than_what_was_written():
    with pytest.raises(SubnetError) as long_path:
        Subnet.load('x' * 5000)
    with pytest.raises(SubnetError) as long_prefix:
        rows = {'0': LayerWidth(out=2)}
        cost = dict(macs=1, params=1, input_shape=[3, 8, 8])
        apply(nn.Identity(), Subnet('dmcp', {}, rows, cost), {'x' * 5000: ''})
    with pytest.raises(SubnetError) as number:
        Subnet.load(10**5000)
    for error in (long_path, long_prefix, number):
        assert len(str(error.value)) < 1200


def test_a_byte_order_mark_does_no_harm(tmp_path):
    (tmp_path / 'x.yaml').write_bytes(b'\xef\xbb\xbfa: 1\n')
    assert read_yaml(tmp_path / 'x.yaml') == {'a': 1}


def test_a_failed_write_leaves_the_old_file(tmp_path, monkeypatch):
    path = tmp_path / 'new' / 'x.yaml'
    write_atomically(path, 'old')

    def full(*_):
        raise OSError(28, 'No space left on device')

    monkeypatch.setattr(os, 'fsync', full)
    with pytest.raises(SubnetError, match='No space left.*make room'):
        write_atomically(path, 'new')
    assert path.read_text() == 'old'
    assert os.listdir(path.parent) == ['x.yaml']


def test_a_folder_in_the_way_is_named(tmp_path):
    with pytest.raises(SubnetError, match=str(tmp_path)):
        write_atomically(tmp_path, 'text')
