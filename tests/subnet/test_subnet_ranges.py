import pytest

from mmdmcp import SubnetError
from mmdmcp.subnet import format_ranges, parse_ranges


@pytest.mark.parametrize(
    'indices, text',
    [
        ((0, 1, 2, 5, 7, 8), '0-2 5 7-8'),
        ((3,), '3'),
        (tuple(range(52)), '0-51'),
        ((), ''),
    ],
)
def test_ranges_are_read_as_they_were_written(indices, text):
    assert format_ranges(indices) == text
    assert parse_ranges(text, len(indices)) == indices


@pytest.mark.parametrize(
    'text',
    [
        '5-3',
        '3 3',
        '3 1',
        '0-5 5',
        'a',
        '1-',
        '-1',
        '1--2',
        '1.5',
        '0x3',
        '١',
        '1,2',
        '9' * 40,
        '0-' + '9' * 5000,
    ],
)
def test_what_is_no_increasing_list_is_refused(text):
    with pytest.raises(SubnetError) as error:
        parse_ranges(text, 3)
    assert len(str(error.value)) < 200


def test_a_short_text_cant_ask_for_a_huge_list():
    with pytest.raises(SubnetError, match='999999999 indices are listed'):
        parse_ranges('1-999999999', 10)
