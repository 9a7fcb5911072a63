"""The report in a real browser: as wide as the screen, and not empty."""

import re
import shutil
import subprocess
from html import escape

import pytest
from PIL import Image

from mmdmcp.report.run_report import write_report
from report.example import write_run

BROWSER = next(filter(None, map(shutil.which, ('chromium', 'chromium-browser'))), None)
MEASURE = (
    '<script>parent.document.title = [innerWidth, document.documentElement.scrollWidth, '
    '...[...document.querySelectorAll("figure svg")]'
    '.map(x => Math.round(x.getBoundingClientRect().right))].join(" ")</script></body>'
)

pytestmark = pytest.mark.skipif(BROWSER is None, reason='there is no Chromium')


def framed(text, width):
    """A page inside a frame: Chromium's own window is 500 pixels at least."""
    return (
        f'<title></title><body style="margin:0"><iframe style="border:0;width:{width}px;'
        f'height:1600px" srcdoc="{escape(text)}"></iframe>'
    )


def browse(page, width, *options):
    """Run Chromium on a page; what it prints."""
    return subprocess.run(
        [
            BROWSER,
            '--headless',
            '--no-sandbox',
            '--disable-gpu',
            '--hide-scrollbars',
            f'--user-data-dir={page.parent}/profile',
            f'--window-size={width},1600',
            *options,
            page.as_uri(),
        ],
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    ).stdout


@pytest.fixture(scope='module')
def report(tmp_path_factory):
    folder = tmp_path_factory.mktemp('run')
    write_run(folder)
    return write_report(folder)


@pytest.mark.parametrize('width', [390, 1280])
def test_nothing_sticks_out_of_the_screen(report, width):
    page = report.with_name(f'measured{width}.html')
    page.write_text(framed(report.read_text().replace('</body>', MEASURE), width))
    title = re.search('<title>([0-9 ]+)</title>', browse(page, width, '--dump-dom'))[1]
    inner, scrolled, *rights = map(int, title.split())
    assert inner == width and scrolled <= width
    assert len(rights) == 7 and all(0 < right <= width for right in rights)


@pytest.mark.parametrize('dark', [False, True])
def test_it_can_be_read_by_day_and_by_night(report, dark):
    """Paper and ink are far apart, whatever the reader's system asks for."""
    page = report.with_name(f'dark{dark}.html')
    text = report.read_text()
    night = '@media (prefers-color-scheme: dark)'
    assert night in text
    page.write_text(framed(text.replace(night, '@media all') if dark else text, 390))
    shot = page.with_suffix('.png')
    browse(page, 390, f'--screenshot={shot}')
    with Image.open(shot) as image:
        grey = image.convert('L')
        paper = grey.getpixel((2, 2))
        low, high = grey.getextrema()
        inked = sum(abs(value - paper) > 60 for value in grey.getdata())
    assert (paper < 40) if dark else (paper > 230)
    assert high - low > 150 and inked > 0.01 * grey.width * grey.height
