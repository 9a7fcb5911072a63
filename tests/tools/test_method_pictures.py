"""The pictures of the methods' pages are drawn by a command."""

import subprocess
import sys
from xml.etree import ElementTree


def test_each_page_has_its_pictures(repo_root, tmp_path):
    script = str(repo_root / 'tools' / 'method_pictures.py')
    subprocess.run([sys.executable, script, str(tmp_path)], check=True)
    drawn = {path.name for path in tmp_path.iterdir()}
    pages = ('dmcp.md', 'gate.md')
    text = ''.join((repo_root / 'docs' / page).read_text() for page in pages)
    assert drawn == {'chain.svg', 'budget_loss.svg', 'gate.svg'}
    for name in drawn:
        assert f'(images/{name})' in text
        assert (repo_root / 'docs/images' / name).is_file()
        ElementTree.parse(tmp_path / name)
