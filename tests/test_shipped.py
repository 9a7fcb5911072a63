"""What comes with the package is found by short names, from anywhere."""

import subprocess
import sys

import pytest
import yaml
from mmengine.config import Config
from mmengine.config.utils import _get_cfg_metainfo

import mmdmcp
from mmdmcp import registry  # noqa: F401  (lets MMEngine find our configs)
from mmdmcp.cli import main
from mmdmcp.cli.list import describe, shipped_rows
from mmdmcp.errors import ConfigError
from mmdmcp.files import shipped_configs
from mmdmcp.preflight.config import load_config
from mmdmcp.shipped import locate, missing

NAME = 'pruning/dmcp/resnet14_digits.py'


def run(cwd, *args):
    """``python ...`` in a folder that knows nothing of the checkout."""
    return subprocess.run(
        [sys.executable, *args], cwd=cwd, text=True, capture_output=True
    )


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def test_names_of_what_was_shipped(tmp_path):
    file = shipped_configs() / NAME
    for name in (NAME, f'configs/{NAME}', f'mmdmcp::{NAME}', file):
        assert locate(name) == file
    for name in (
        'nothing.py',
        '/nothing.py',
        '\0',
        'a' * 5000,
        '~nobody/x',
        'mmdmcp::',
    ):
        assert locate(name) is None
        assert 'there is no config at' in str(missing(name, 'config'))


def test_a_file_that_is_there_comes_first(tmp_path):
    mine = tmp_path / NAME
    mine.parent.mkdir(parents=True)
    mine.touch()
    assert locate(NAME).absolute() == mine
    assert locate(f'mmdmcp::{NAME}') == shipped_configs() / NAME


def test_a_config_builds_on_a_shipped_one(tmp_path):
    config = tmp_path / 'mine.py'
    config.write_text(
        f"_base_ = 'mmdmcp::{NAME}'\nmodel = dict(backbone=dict(depth=20))\n"
        'same = _base_.model\n'
    )
    for cfg in (Config.fromfile(config), load_config('mine.py')):
        assert cfg.model.backbone == dict(cfg.model.backbone, depth=20)
        assert cfg.default_scope == 'mmpretrain'
        # Its types are not looked for in scope mmdmcp alone.
        assert '_scope_' not in cfg.same
    assert load_config(f'mmdmcp::{NAME}').model.backbone.depth == 14


def test_a_base_that_was_not_shipped_is_named(tmp_path):
    (tmp_path / 'mine.py').write_text("_base_ = 'mmdmcp::pruning/resnet14_digit.py'\n")
    with pytest.raises(ConfigError, match='Did you mean .*resnet14_digits.py'):
        load_config('mine.py')


def test_bases_of_other_packages_are_found_as_before(tmp_path):
    (tmp_path / 'mine.py').write_text(
        "_base_ = 'mmpretrain::_base_/models/resnet18.py'\n"
    )
    assert load_config('mine.py').model.backbone.depth == 18


def test_the_index_has_every_metafile(repo_root):
    """MMEngine reads all of them before it finds any config."""
    index = yaml.safe_load((repo_root / 'model-index.yml').read_text())['Import']
    files = sorted(
        str(p.relative_to(repo_root)) for p in shipped_configs().rglob('metafile.yml')
    )
    assert sorted(index) == files


def test_mmengine_reads_the_index_of_an_installation(repo_root, tmp_path):
    (tmp_path / '.mim').symlink_to(repo_root)
    name = 'pruning/dmcp/dmcp_resnet50_subnet_8xb32.py'
    assert _get_cfg_metainfo(str(tmp_path), name)['In Collection'] == 'DMCP'


def test_every_shipped_config_is_listed():
    rows = {row.config: row for row in shipped_rows()}
    assert set(rows) == {
        str(path.relative_to(shipped_configs()))
        for path in shipped_configs().rglob('*.py')
        if '_base_' not in path.parts
    }
    row = rows['pruning/dmcp/dmcp_resnet50_supernet_8xb32.py']
    assert (row.method, row.model, row.data) == (
        'DMCP, search',
        'ResNet-50',
        'ImageNet',
    )
    row = rows['pruning/gate/gate_resnet20_subnet_2xb64_cifar10.py']
    assert row.method == 'GATE, pruned network' and row.data == 'CIFAR10'
    assert rows[NAME].method == 'none, training' and rows[NAME].data == 'Digits'


def test_words_that_no_row_has(capsys):
    assert main(['list', 'nothing']) == 1
    assert 'no shipped config has nothing' in capsys.readouterr().err


def test_a_row_of_a_detector():
    backbone = dict(
        type='mmdmcp.PrunedBackbone',
        cfg=dict(type='ResNet', depth=50),
        subnet='DMCP_SUBNET_IMAGENET.yaml',
    )
    cfg = dict(
        model=dict(type='mmdmcp.FittedModel', host='RetinaNet', backbone=backbone),
        train_dataloader=dict(dataset=dict(dataset=dict(type='mmdet.CocoDataset'))),
    )
    row = describe('x.py', cfg)
    assert (row.method, row.model) == ('DMCP, pruned network', 'RetinaNet, ResNet-50')
    assert row.data == 'CocoDataset'


def test_the_package_is_a_command(tmp_path):
    result = run(tmp_path, '-m', 'mmdmcp', 'list', 'gate', 'digits')
    assert result.returncode == 0, result.stderr
    names = [line.split()[0] for line in result.stdout.splitlines()[1:]]
    assert names == [
        'pruning/gate/gate_resnet14_digits.py',
        'pruning/gate/gate_resnet14_subnet_digits.py',
    ]


def test_subnet_is_there_at_once_and_costs_nothing(tmp_path):
    code = (
        'import sys, mmdmcp\n'
        'assert "torch" not in sys.modules\n'
        'mmdmcp.subnet.Subnet; assert "mmengine" not in sys.modules\n'
        'assert "subnet" in dir(mmdmcp)'
    )
    result = run(tmp_path, '-c', code)
    assert result.returncode == 0, result.stderr
    assert not hasattr(mmdmcp, 'nothing')


@pytest.mark.parametrize(
    'argv, said',
    [
        (['train', 'no.py'], 'no config at'),
        (['train', NAME, '--resume', 'no.pth'], '--resume: there is no checkpoint'),
        (['test', NAME, 'no.pth'], 'there is no checkpoint at'),
        (['export', NAME, 'no.pth', 'x.onnx'], 'there is no checkpoint at'),
        (['latency', NAME, '--subnet', 'no.yaml'], 'no subnet file at'),
        (['publish', 'no.pth', 'x.pth'], 'there is no checkpoint at'),
        (['convert', 'no.json', 'x.yaml'], 'no subnet file at'),
        (['plot', 'no.yaml'], 'no subnet file at'),
        (['compare', 'no.yaml', 'x.yaml'], 'no subnet file at'),
    ],
)
def test_files_are_looked_for_before_torch_is_imported(argv, said, tmp_path):
    code = (
        'import sys\n'
        'from mmdmcp.cli import main\n'
        f'code = main({argv!r})\n'
        'sys.exit(3 if "torch" in sys.modules else code)'
    )
    result = run(tmp_path, '-c', code)
    assert result.returncode == 1, result.stderr
    assert said in result.stderr and 'Traceback' not in result.stderr
