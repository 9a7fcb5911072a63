"""What is raised on purpose, and how it quotes what was not."""

import mmdmcp
from mmdmcp.errors import MmdmcpError, first_line


def test_every_error_is_public_and_one_family():
    kinds = MmdmcpError.__subclasses__()
    assert {kind.__name__ for kind in kinds} < set(mmdmcp.__all__)
    for kind in kinds:
        assert getattr(mmdmcp, kind.__name__) is kind and kind.__doc__


def test_other_errors_are_quoted_in_one_short_line():
    assert first_line(ValueError('\n why\nFile "a.py", line 3')) == 'why'
    assert first_line(KeyError()) == 'KeyError'
    assert first_line(OSError('x' * 120)) == 'x' * 120
    assert first_line(OSError('x' * 121)) == 'x' * 117 + '...'
    assert first_line(OSError('x' * 99), limit=9) == 'xxxxxx...'
