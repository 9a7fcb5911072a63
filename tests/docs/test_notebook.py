"""The notebook runs from top to bottom, and its page shows it."""

import importlib.util

import torch


def load(repo_root):
    spec = importlib.util.spec_from_file_location(
        'notebook', repo_root / 'docs/notebook.py'
    )
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_it_runs_with_fewer_steps(repo_root, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    module, names = load(repo_root), {}
    notebook = module.read()
    shorter = {
        'STEPS = 60': 'STEPS = 4',
        'images[400:]': 'images[1500:]',
        'images[:400], labels[:400]': 'images[:40], labels[:40]',
    }
    for cell in notebook['cells']:
        text = ''.join(cell['source'])
        for long, short in shorter.items():
            text = text.replace(long, short)
        cell['source'] = [text]
    done = module.run(notebook, names)
    assert names['STEPS'] == 4 and names['search'].iteration == 4
    half = names['small'].before['macs'] / 2
    for found in (names['small'], names['gated']):
        assert abs(found.after['macs'] / half - 1) <= 0.01
    assert torch.load('resnet18.pth', weights_only=True)
    assert sum(bool(cell.get('outputs')) for cell in done['cells']) >= 7


def test_its_page_is_what_was_written(repo_root):
    module = load(repo_root)
    assert module.PAGE.read_text() == module.page(module.read())
