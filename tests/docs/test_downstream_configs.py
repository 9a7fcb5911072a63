"""The configs of a page of docs/ are whole: they load and can be run."""

import re
import shutil

import pytest
from mmengine.config import Config


@pytest.fixture(scope='module')
def configs(repo_root, tmp_path_factory):
    """The blocks about torchvision, as files where the page puts them."""
    folder = tmp_path_factory.mktemp('checkout') / 'configs'
    shutil.copytree(repo_root / 'configs', folder)
    page = (repo_root / 'docs' / 'downstream.md').read_text()
    section = page.split('## Networks of torchvision')[1]
    blocks = re.findall('```python\n(_base_.*?)```', section, re.DOTALL)
    loaded = []
    for number, block in enumerate(blocks):
        path = folder / 'pruning' / 'dmcp' / f'{number}.py'
        path.write_text(block)
        loaded.append(Config.fromfile(path))
    return loaded


def test_the_configs_about_torchvision_are_whole(configs):
    search, retraining = configs
    assert set(search.optim_wrapper) >= {'architecture', 'mutator'}
    assert search.custom_hooks[0].type == 'mmdmcp.DMCPSearchHook'
    assert search.model.architecture == retraining.model.cfg
    name = search.custom_hooks[0].name
    assert f'DMCP_SUBNET_{name}.yaml' in retraining.model.subnet
    for cfg in configs:
        assert cfg.default_scope == 'mmpretrain'
        for key in (
            'train_cfg',
            'train_dataloader',
            'val_dataloader',
            'val_evaluator',
            'data_preprocessor',
            'param_scheduler',
        ):
            assert cfg[key], key
