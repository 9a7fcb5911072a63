"""search.json comes back as it was written, and damage is an error."""

import json

import pytest

from mmdmcp.errors import DataError
from mmdmcp.report.record import SearchRecord
from report.example import example_record


def test_a_record_comes_back_as_it_was_written(tmp_path):
    record = example_record()
    record.save(tmp_path)
    assert SearchRecord.load(tmp_path) == record
    assert [path.name for path in tmp_path.iterdir()] == ['search.json']


def test_a_folder_without_one_has_none(tmp_path):
    assert SearchRecord.load(tmp_path) is None


def test_a_metric_without_a_value_is_left_out_of_the_json(tmp_path):
    """NaN is no JSON: browsers and other languages refuse the whole file."""
    record = example_record()
    record.budgets[0].candidates[0].metrics['accuracy/top1'] = float('nan')
    record.save(tmp_path)

    def refuse(word):
        raise AssertionError(word)

    json.loads((tmp_path / 'search.json').read_text(), parse_constant=refuse)


@pytest.mark.parametrize(
    'change',
    [
        lambda data: data.update(format=2),
        lambda data: data.pop('units'),
        lambda data: data.update(colour='red'),
        lambda data: data['budgets'][0].update(colour='red'),
        lambda data: data['budgets'][0]['history'][0].pop('widths'),
    ],
)
def test_damage_is_an_error_that_names_the_file(tmp_path, change):
    example_record().save(tmp_path)
    path = tmp_path / 'search.json'
    data = json.loads(path.read_text())
    change(data)
    path.write_text(json.dumps(data))
    with pytest.raises(DataError, match='search.json'):
        SearchRecord.load(tmp_path)


def test_half_a_file_is_an_error(tmp_path):
    example_record().save(tmp_path)
    path = tmp_path / 'search.json'
    path.write_text(path.read_text()[:100])
    with pytest.raises(DataError, match='search.json'):
        SearchRecord.load(tmp_path)
