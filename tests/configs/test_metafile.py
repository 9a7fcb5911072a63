"""The folder's README and metafile, as mim and model-index read them."""

import re
from pathlib import Path

import modelindex
import pytest
import yaml
from mmengine.config import Config

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / 'configs' / 'pruning' / 'dmcp'


@pytest.fixture(scope='module')
def metafile():
    return yaml.safe_load((FOLDER / 'metafile.yml').read_text())


def test_model_index_accepts_it(monkeypatch):
    monkeypatch.chdir(ROOT)  # paths are relative to the repository
    index = modelindex.load(str(FOLDER / 'metafile.yml'))
    index.build_models_with_collections()
    assert index.check() is None and not index.check_errors
    assert len(index.models) > 0


def test_every_model_has_its_config(metafile):
    for model in metafile['Models']:
        config = ROOT / model['Config']
        assert config.is_file() and config.stem == model['Name']
        assert model['In Collection'] in {c['Name'] for c in metafile['Collections']}


def test_results_have_numbers_and_a_data_set(metafile):
    for model in metafile['Models']:
        for result in model.get('Results', []):
            assert result['Dataset'] and result['Task']
            top1 = result['Metrics']['Top 1 Accuracy']
            assert 0 < top1 < 100


def test_the_readme_names_every_config():
    text = (FOLDER / 'README.md').read_text()
    for path in FOLDER.glob('*.py'):
        assert path.name in text, path.name


def test_what_the_readme_links_to_exists():
    text = (FOLDER / 'README.md').read_text()
    for target in re.findall(r'\]\((?!http)([^)#]+)', text):
        assert (FOLDER / target).exists(), target


def test_the_example_of_another_backbone_loads(tmp_path):
    """Both files of it, where it says that they lie."""
    text = (ROOT / 'docs' / 'openmmlab.md').read_text()
    search, retraining, *_ = re.findall(r'```python\n(.*?)```', text, re.DOTALL)
    folder, stem = re.search(r'`configs/(.*)/(\w+)_supernet_8xb32.py`', text).groups()
    (tmp_path / '_base_').symlink_to(FOLDER.parents[1] / '_base_')
    place = tmp_path / folder
    place.mkdir(parents=True)
    loaded = []
    for role, code in dict(supernet=search, subnet=retraining).items():
        assert f'{stem}_{role}_8xb32.py`' in text
        path = place / f'{stem}_{role}_8xb32.py'
        path.write_text(code)
        loaded.append(Config.fromfile(path))
    assert loaded[0].model.architecture == loaded[1].model.cfg
    name = loaded[0].custom_hooks[0].name
    assert (
        loaded[1].model.subnet
        == f'work_dirs/{stem}_supernet_8xb32/DMCP_SUBNET_{name}.yaml'
    )
