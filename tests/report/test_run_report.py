"""What a report says is what lies in the work dir."""

import json
import re
from dataclasses import replace
from xml.etree import ElementTree

import pytest

from mmdmcp.cli import main
from mmdmcp.errors import DataError
from mmdmcp.report.run_folder import RunFolder, last_metrics, read_scalars
from mmdmcp.report.run_report import write_report
from report.example import KEY, NAME, example_subnet, write_run


@pytest.fixture
def run(tmp_path):
    write_run(tmp_path)
    return tmp_path


def text_of(page: str) -> str:
    """What a reader sees."""
    body = re.sub(r'<style>.*?</style>', '', page, flags=re.DOTALL)
    return re.sub(r'\s+', ' ', re.sub('<[^>]+>', ' ', body))


def test_a_report_shows_cost_and_scores_before_and_after(run):
    assert main(['report', str(run)]) == 0
    text = text_of((run / 'report.html').read_text())
    assert 'FLOPs 4.000 M 2.000 M' in text and 'parameters 4.000 K 1.000 K' in text
    assert '100.0% 50.0%' in text and '100.0% 25.0%' in text
    assert f'{KEY} 91.25 88.50' in text
    assert '-0.50%' in text  # off target, of the expected network
    assert 'seed 3' in text and 'mmdmcp train &lt;config&gt;.py' in text
    assert 'model = dict(type=&#39;mmdmcp.DMCP&#39;)' in text


def test_a_report_is_one_file_and_loads_nothing(run):
    page = write_report(run).read_text()
    links = re.findall(r'(?:src|href)="([^"]*)"', page)
    assert all(link.startswith('#') for link in links)
    assert '<script' not in page and 'url(http' not in page and '@import' not in page


def test_pictures_are_well_formed_and_share_no_identifier(run):
    page = write_report(run).read_text()
    pictures = re.findall(r'<svg.*?</svg>', page, re.DOTALL)
    seen = set()
    for picture in pictures:
        found = {e.get('id') for e in ElementTree.fromstring(picture).iter()} - {None}
        used = set(re.findall(r'(?:href="#|url\(#)([^")]+)', picture))
        assert not found & seen and used <= found
        seen |= found
        assert '#24292f' not in picture and 'currentColor' in picture
    names = {path.stem for path in (run / 'report').glob('*.png')}
    assert names == {path.stem for path in (run / 'report').glob('*.svg')}
    assert len(names) == len(pictures) == 7


def test_the_search_alone_is_enough(run):
    """Without search.json the report says what is missing."""
    (run / 'search.json').unlink()
    text = text_of(write_report(run).read_text())
    assert 'There is no search.json' in text and '2.000 M' in text


def test_curves_of_a_resumed_run_have_each_step_once(run):
    rows = read_scalars(run)
    losses = [(row['step'], row['loss']) for row in rows if 'loss' in row]
    assert losses == [(5, 2.0), (10, 1.0)]
    # Validation counts epochs: 5 iterations each.
    scores = [(r['step'], r['max/' + KEY]) for r in rows if 'max/' + KEY in r]
    assert scores == [(5, 80.0), (10, 90.0)]


def test_metrics_of_another_run_get_a_column(run, tmp_path):
    other = tmp_path / 'retrained'
    other.mkdir()
    with pytest.raises(DataError, match='retrained'):
        last_metrics(other)
    (other / 'test.json').write_text(json.dumps({KEY: 92.5}))
    assert main(['report', str(run), '--trained', f'retrained={other}']) == 0
    text = text_of((run / 'report.html').read_text())
    assert f'{KEY} 91.25 88.50 92.50' in text


def test_latency_is_shown_where_it_was_measured(run):
    rows = [dict(runtime='PyTorch', full=0.02, pruned=0.01, speed_up=2.0)]
    (run / 'latency.json').write_text(json.dumps(dict(measured='X', runtimes=rows)))
    text = text_of(write_report(run).read_text())
    assert 'PyTorch 20.00 ms 10.00 ms 2.00x' in text
    assert 'was not measured' not in text


def test_names_from_files_are_text(run):
    """A unit's name comes from a file that may have been sent by anyone."""
    bad = '<script>alert(1)</script>'
    example_subnet(**{bad: (1, 2), 'conv2': (1, 4)}).save(run / f'{NAME}.yaml')
    assert '<script>' not in write_report(run).read_text()


def test_a_folder_that_is_no_work_dir_is_refused(tmp_path, capsys):
    with pytest.raises(DataError, match='not the work dir'):
        RunFolder.read(tmp_path)
    assert main(['report', str(tmp_path / 'none')]) == 1
    assert 'no such folder' in capsys.readouterr().err


def test_a_report_that_cant_be_written_is_a_line(run, capsys):
    assert main(['report', str(run), '-o', '/proc/x/report.html']) == 1
    assert '--out /proc/x/report.html' in capsys.readouterr().err


def test_a_latency_is_shown_in_its_unit(run):
    subnet = example_subnet()
    cost = dict(subnet.cost, latency_us=3480)
    replace(subnet, cost=cost, target=dict(latency_us=3512)).save(run / f'{NAME}.yaml')
    text = text_of(write_report(run).read_text())
    assert (
        'The target was 3.512 ms predicted latency; it has 3.480 ms (-0.91%).' in text
    )
    assert 'predicted latency 3.480 ms' in text
