"""A damaged file gives a valid subnet or a SubnetError, nothing else.

``MMDMCP_FUZZ=100000 python -m pytest tests/subnet/test_subnet_fuzz.py``
tries as many files; by default a few hundred.
"""

import os
import random
import resource

import pytest

from mmdmcp import SubnetError
from mmdmcp.subnet import Subnet
from mmdmcp.subnet.files import parse_yaml

TEXT = """\
format: 1
method: gate
cost: {macs: 123, params: 45, input_shape: [3, 8, 8]}
target: {macs: 120}
units:
  backbone.conv1: {channels: 3, of: 8, kept: 0 2 7}
  backbone.conv2: {channels: 2, of: 4}
layers:
  backbone.conv1: {out: 3, out_kept: 0 2 7}
  backbone.bn1: {out: 3, out_kept: 0 2 7}
  backbone.dw: {in: 3, out: 3, groups: 3, in_kept: 0 2 7, out_kept: 0 2 7}
  backbone.conv2: {in: 3, out: 2, in_kept: '0 2 7'}
  head.fc: {in: 8}
"""
EXAMPLES = int(os.environ.get('MMDMCP_FUZZ', 1000))

# What people and machines do to a file, and what attackers would.
PIECES = [
    '&a ',
    '*a',
    '!!python/tuple ',
    '!!python/object/apply:os.system ["x"]',
    '!!binary ',
    '<<: ',
    '- ',
    '? ',
    ': ',
    '{',
    '}',
    '[',
    ']',
    "'",
    '"',
    '|',
    '>',
    '#',
    '%',
    '---\n',
    '...\n',
    '\n',
    '\t',
    '\0',
    '\ufeff',
    '\u2028',
    '\x85',
    'é',
    '😀',
    '.nan',
    '.inf',
    '1e9',
    '0x1F',
    '1_000',
    '-1',
    '0',
    '9' * 30,
    '1' * 5000,
    '0-1048575',
    '0-999999999',
    'true',
    'null',
    '~',
    'in',
    'out',
    'groups',
    'in_kept',
    'kept: 0-3',
    'format: 1\n',
    'units:\n',
    '[' * 300,
    '{a: ' * 300,
    '=',
    '2001-12-14',
    '12:30:45',
    '%YAML 1.1\n',
    '%TAG ! x\n',
]


def mutate(text: str, rng: random.Random) -> bytes:
    """One to eight random edits of a valid file."""
    for _ in range(rng.randint(1, 8)):
        at, end = sorted(rng.randrange(len(text) + 1) for _ in range(2))
        lines = text.splitlines(keepends=True)
        kind = rng.randrange(8)
        if kind == 0:  # cut
            text = text[:at] + text[min(end, at + 40) :]
        elif kind == 1:  # insert
            text = text[:at] + rng.choice(PIECES) + text[at:]
        elif kind == 2:  # overwrite
            text = text[:at] + chr(rng.randrange(0x300)) + text[at + 1 :]
        elif kind == 3 and lines:  # repeat a line
            line = rng.randrange(len(lines))
            text = ''.join(lines[: line + 1] + lines[line:])
        elif kind == 4:  # another number
            text = text[:at] + text[at:].replace(
                rng.choice('0123456789'), str(rng.choice((0, 7, -3, 1 << 40))), 1
            )
        elif kind == 5:  # truncate, as a full disk would
            text = text[:at] if rng.random() < 0.2 else text
        elif kind == 6:  # swap pieces
            text = text[:at] + text[end : end + 30] + text[at:end] + text[end + 30 :]
        elif lines:  # other order of lines
            line = rng.randrange(len(lines))
            lines.append(lines.pop(line))
            text = ''.join(lines)
    data = text.encode('utf-8', 'surrogatepass')
    if rng.random() < 0.1:  # broken encoding
        at = rng.randrange(len(data) + 1)
        data = data[:at] + bytes([rng.randrange(256)]) + data[at:]
    return data


@pytest.mark.parametrize('part', range(4))
def test_damaged_files(tmp_path, part):
    rng, path = random.Random(part), tmp_path / 'x.yaml'
    valid = refused = 0
    for _ in range(EXAMPLES // 4):
        path.write_bytes(mutate(TEXT, rng))
        try:
            subnet = Subnet.load(path)
        except SubnetError as error:
            assert str(path) in str(error) and len(str(error)) < 1000
            refused += 1
            continue
        # What is accepted is sound: it survives a round trip.
        subnet.save(path)
        assert Subnet.load(path) == subnet
        valid += 1
    assert valid and refused > valid
    # Kilobytes; torch alone takes a few hundred thousand.
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    assert peak < 4_000_000


@pytest.mark.parametrize('part', range(2))
def test_random_text(part):
    rng = random.Random(100 + part)
    alphabet = '{}[]:,-?&*!|>\'"%@`# \n\tabz019._~=<\0\x7fé'
    for _ in range(EXAMPLES // 2):
        text = ''.join(rng.choices(alphabet, k=rng.randrange(60)))
        try:
            Subnet.from_dict(parse_yaml(text))
        except SubnetError:
            continue
        raise AssertionError(f'accepted {text!r}')
