"""The commands, as users start them."""

import errno
import os
import re
import subprocess
import sys

import pytest

import mmdmcp
from mmdmcp.cli import COMMANDS, main, report_errors
from mmdmcp.cli.export import parse_args as parse_export
from mmdmcp.cli.latency import parse_args as parse_latency
from mmdmcp.cli.test import parse_args as parse_test
from mmdmcp.cli.train import parse_args as parse_train
from mmdmcp.errors import DataError
from mmdmcp.files import shipped_configs

SUBNET = str(shipped_configs() / 'pruning/dmcp/DMCP_SUBNET_IMAGENET.yaml')
CONFIG = 'pruning/dmcp/resnet14_digits.py'


def test_train_has_openmmlabs_options():
    args = parse_train(
        [
            'c.py',
            '--work-dir',
            'w',
            '--resume',
            '--amp',
            '--no-validate',
            '--auto-scale-lr',
            '--launcher',
            'slurm',
            '--local-rank',
            '1',
            '--cfg-options',
            'a.b=1',
            'c=[1,2]',
            'd=true',
            'e=x,y',
        ]
    )
    assert (args.config, args.work_dir, args.resume) == ('c.py', 'w', 'auto')
    assert args.amp and args.no_validate and args.auto_scale_lr
    assert (args.launcher, args.local_rank) == ('slurm', 1)
    assert args.cfg_options == {'a.b': 1, 'c': [1, 2], 'd': True, 'e': ['x', 'y']}
    assert parse_train(['c.py', '--resume', 'x.pth']).resume == 'x.pth'
    assert parse_train(['c.py']).resume is None


@pytest.mark.parametrize(('asked', 'kept'), [(None, '20000'), ('64', '64')])
def test_train_keeps_kernels_for_the_shapes_of_a_search(asked, kept, monkeypatch):
    name = 'ONEDNN_PRIMITIVE_CACHE_CAPACITY'
    monkeypatch.setenv(name, 'restored at the end')
    monkeypatch.delenv(name)
    if asked:
        monkeypatch.setenv(name, asked)
    assert main(['train', 'missing.py']) == 1
    assert os.environ[name] == kept


def test_train_reads_nothing_of_torch_before_it_sets_that():
    code = "import sys, mmdmcp.cli.train; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, '-c', code], check=False).returncode == 0


def test_test_has_openmmlabs_options():
    args = parse_test(['c.py', 'x.pth', '--out', 'm.json'])
    assert (args.config, args.checkpoint, args.out) == ('c.py', 'x.pth', 'm.json')
    assert parse_test(['c.py', 'x.pth', '--dump', 'p.pkl']).out == 'p.pkl'


@pytest.mark.parametrize(
    'parse, files', [(parse_export, ['x.pth', 'x.onnx']), (parse_latency, [])]
)
def test_commands_about_a_pair_share_their_options(parse, files):
    args = parse(
        [
            'c.py',
            *files,
            '--subnet',
            's.yaml',
            '--input-shape',
            '3',
            '8',
            '9',
            '--cfg-options',
            'a.b=1',
        ]
    )
    assert (args.config, args.subnet) == ('c.py', 's.yaml')
    assert args.input_shape == [3, 8, 9] and args.cfg_options == {'a.b': 1}
    args = parse(['c.py', *files])
    assert args.subnet is args.input_shape is args.cfg_options is None


def test_options_keep_the_spaces_of_paths():
    args = parse_train(['c.py', '--cfg-options', 'data_root=/my data/set 1'])
    assert args.cfg_options == {'data_root': '/my data/set 1'}


@pytest.mark.parametrize('value', ['a=1,(2', 'a=[1,[2]'])
def test_a_bracket_without_its_other_half_is_a_line(value, capsys):
    with pytest.raises(SystemExit):
        parse_train(['c.py', '--cfg-options', value])
    assert '--cfg-options' in capsys.readouterr().err


def test_plot_takes_the_name_of_a_shipped_file(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(['plot', 'pruning/dmcp/DMCP_SUBNET_IMAGENET.yaml']) == 0
    assert (tmp_path / 'DMCP_SUBNET_IMAGENET.png').stat().st_size > 1000


def test_option_without_value_is_refused(capsys):
    with pytest.raises(SystemExit) as end:
        parse_train(['c.py', '--cfg-options', 'a'])
    assert end.value.code == 2
    assert "'a' is not KEY=VALUE" in capsys.readouterr().err


@pytest.mark.parametrize(
    'argv, code', [(['--help'], 0), ([], 2), (['trian'], 2), (['--version'], 0)]
)
def test_console_script(argv, code, capsys):
    assert main(argv) == code
    out, err = capsys.readouterr()
    if argv == ['--version']:
        assert out.strip() == mmdmcp.__version__
    else:
        assert 'train' in out + err and 'test' in out + err


def raise_data_error():
    raise DataError('no data')


def test_our_errors_are_short(capsys, monkeypatch):
    monkeypatch.delenv('MMDMCP_DEBUG', raising=False)
    assert report_errors(raise_data_error) == 1
    assert capsys.readouterr().err == 'DataError: no data\n'
    monkeypatch.setenv('RANK', '3')
    report_errors(raise_data_error)
    assert capsys.readouterr().err == '[rank 3] DataError: no data\n'


def test_debug_shows_where(capsys, monkeypatch):
    monkeypatch.setenv('MMDMCP_DEBUG', '1')
    assert report_errors(raise_data_error) == 1
    assert 'in raise_data_error' in capsys.readouterr().err


def test_ctrl_c_is_a_line(capsys):

    def stop():
        raise KeyboardInterrupt

    assert report_errors(stop) == 130
    assert '--resume' in capsys.readouterr().err


def test_a_full_disk_is_a_line(capsys):
    """Whoever wrote: logs, curves and copies of the config are MMEngine's."""

    def write():
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), 'a.json')

    assert report_errors(write) == 1
    said = capsys.readouterr().err
    assert 'a.json' in said and 'Make room' in said and '--resume' in said


def test_other_errors_keep_their_traceback():
    with pytest.raises(ZeroDivisionError):
        report_errors(lambda: 1 / 0)


def run_tool(repo_root, cwd, *args, **env):
    """Run a script of ``tools/`` in a process of its own."""
    script, *args = args
    clean = {
        k: v for k, v in os.environ.items() if k not in ('PYTHONPATH', 'MMDMCP_DEBUG')
    }
    return subprocess.run(
        [sys.executable, str(repo_root / 'tools' / script), *args],
        cwd=cwd,
        env={**clean, 'CUDA_VISIBLE_DEVICES': '-1', **env},
        text=True,
        capture_output=True,
    )


@pytest.mark.parametrize('script', ['train.py', 'test.py'])
def test_tools_help(repo_root, tmp_path, script):
    result = run_tool(repo_root, tmp_path, script, '--help')
    assert result.returncode == 0 and '--cfg-options' in result.stdout


@pytest.mark.parametrize('command', COMMANDS)
def test_help_names_the_command(command, capsys, monkeypatch):
    monkeypatch.setattr(sys, 'argv', ['/usr/bin/mmdmcp'])
    with pytest.raises(SystemExit) as end:
        main([command, '--help'])
    assert end.value.code == 0
    assert capsys.readouterr().out.startswith(f'usage: mmdmcp {command} ')


@pytest.mark.parametrize(
    'argv, said',
    [
        (['plot', SUBNET, '-o', 'x.txt'], '--out x.txt'),
        (['plot', SUBNET, '-o', 'no/where.png'], '--out no/where.png'),
        (['latency', CONFIG, '--device', 'cuda:77'], '--device cuda:77'),
        (['latency', CONFIG, '--device', 'gpu'], '--device gpu'),
        (['convert', 'no.json', 'x.yaml'], 'there is no subnet file at'),
        (['train', CONFIG, '--work-dir', '/proc/x'], '--work-dir /proc/x'),
    ],
)
def test_mistakes_are_a_line_that_names_the_option(
    argv, said, capsys, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, 'argv', ['mmdmcp'])
    assert main(argv) == 1
    error = capsys.readouterr().err.splitlines()[-1]
    assert error.startswith('ConfigError: ') and said in error


def test_tool_reports_a_mistake_in_a_line(repo_root, tmp_path):
    result = run_tool(
        repo_root,
        tmp_path,
        'train.py',
        CONFIG,
        '--cfg-options',
        'train_dataloader.dataset.data_root=not here',
    )
    assert result.returncode == 1
    assert 'Traceback' not in result.stderr
    assert re.search(
        '^DataError: train_dataloader: .*not here', result.stderr, re.MULTILINE
    )
    result = run_tool(repo_root, tmp_path, 'train.py', 'no.py', '--debug')
    assert result.returncode == 1 and 'Traceback' in result.stderr


def test_two_processes_test_like_one(repo_root, tmp_path):
    """dist_train.sh and dist_test.sh for real, on CPUs, over gloo."""
    here = tmp_path / 'some where'
    here.mkdir()
    env = {**os.environ, 'PYTHON': sys.executable, 'CUDA_VISIBLE_DEVICES': '-1'}
    small = [
        '--cfg-options',
        'train_cfg.max_epochs=1',
        'model.backbone.depth=8',
        'env_cfg.dist_cfg.backend=nccl',
        'model_wrapper_cfg=None',
    ]

    def launch(script, *args):
        result = subprocess.run(
            ['sh', str(repo_root / 'tools' / script), CONFIG, *args],
            cwd=here,
            env=env,
            text=True,
            capture_output=True,
        )
        assert result.returncode == 0, result.stderr
        return result.stdout + result.stderr

    log = launch('dist_train.sh', '2', *small)
    # 1,079 images in batches of 64 on 2 processes: 9 iterations an epoch.
    assert '[1][9/9]' in log
    work = here / 'work_dirs' / 'resnet14_digits'
    launch('dist_test.sh', str(work / 'epoch_1.pth'), '2', '--out', 'two.json', *small)
    one = run_tool(
        repo_root,
        here,
        'test.py',
        CONFIG,
        str(work / 'epoch_1.pth'),
        '--out',
        'one.json',
        *small,
    )
    assert one.returncode == 0, one.stderr
    assert (here / 'one.json').read_text() == (here / 'two.json').read_text()


def test_failure_of_a_process_is_the_scripts(repo_root, tmp_path):
    result = subprocess.run(
        [
            'sh',
            str(repo_root / 'tools' / 'dist_train.sh'),
            CONFIG,
            '2',
            '--cfg-options',
            'train_dataloader.dataset.data_root=nowhere',
        ],
        cwd=tmp_path,
        env={**os.environ, 'PYTHON': sys.executable},
        text=True,
        capture_output=True,
    )
    assert result.returncode != 0
    assert 'DataError: train_dataloader' in result.stderr
