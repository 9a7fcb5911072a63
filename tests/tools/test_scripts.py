"""The launch scripts, run by the shell that has the fewest features."""

import os
import shutil
import signal
import subprocess
import time
from pathlib import Path

import pytest

SHELL = shutil.which('dash') or shutil.which('sh')
CONFIG = 'configs/pruning/dmcp/resnet14_digits.py'
# Prints its arguments, one a line; as Python it has every module.
STUB = """#!/bin/sh
[ "$1" = -c ] && exit 0
printf '%s\\n' "$(basename "$0")" "$@"
exit ${STUB_EXIT:-0}
"""


@pytest.fixture
def stubs(tmp_path):
    """A folder with a ``python`` and an ``srun`` that print what they get."""
    folder = tmp_path / 'bin'
    folder.mkdir()
    for name in ('python', 'srun'):
        (folder / name).write_text(STUB)
        (folder / name).chmod(0o755)
    return folder


@pytest.fixture
def run(repo_root, stubs):
    """Run a script with the stubs, and nothing of the caller's environment."""

    def call(script, *args, cwd=repo_root, tools=repo_root / 'tools', **env):
        return subprocess.run(
            [SHELL, str(Path(tools, script)), *args],
            cwd=cwd,
            env={'PATH': f'{stubs}:/usr/bin:/bin', **env},
            text=True,
            capture_output=True,
        )

    return call


def words(result):
    assert result.returncode == 0, result.stderr
    return result.stdout.splitlines()


def options_before(lines, script):
    """What the launcher got, and what the script behind it got."""
    index = next(i for i, line in enumerate(lines) if line.endswith(script))
    return lines[:index], lines[index + 1 :]


@pytest.mark.parametrize(
    'script',
    ['dist_train.sh', 'dist_test.sh', 'slurm_train.sh', 'slurm_test.sh', 'lib.sh'],
)
def test_scripts_are_plain_sh(repo_root, script):
    check = subprocess.run([SHELL, '-n', str(repo_root / 'tools' / script)])
    assert check.returncode == 0
    assert 'bash' not in (repo_root / 'tools' / script).read_text()


@pytest.mark.parametrize(
    'script', ['dist_train.sh', 'dist_test.sh', 'slurm_train.sh', 'slurm_test.sh']
)
def test_help_and_bare_call(run, script):
    asked = run(script, '--help')
    assert asked.returncode == 0 and asked.stdout.startswith('usage: ')
    bare = run(script)
    assert bare.returncode == 2 and bare.stderr.startswith('usage: ')


def test_slurm_train_asks_for_what_openmmlab_users_expect(run):
    lines = words(
        run(
            'slurm_train.sh',
            'part',
            'my job',
            CONFIG,
            '--work-dir',
            'a b',
            GPUS='16',
            CPUS_PER_TASK='3',
            SRUN_ARGS='--quotatype=x -x n[1-2]',
            PY_ARGS='--amp --resume',
        )
    )
    srun, train = options_before(lines, '/tools/train.py')
    assert srun[:-2] == [
        'srun',
        '-p',
        'part',
        '--job-name=my job',
        '--ntasks=16',
        '--cpus-per-task=3',
        '--kill-on-bad-exit=1',
        '--gres=gpu:8',
        '--ntasks-per-node=8',
        '--quotatype=x',
        '-x',
        'n[1-2]',
    ]
    assert srun[-2].endswith('/python') and srun[-1] == '-u'
    assert train == [
        CONFIG,
        '--work-dir',
        'a b',
        '--launcher=slurm',
        '--amp',
        '--resume',
    ]


def test_slurm_defaults_are_eight_processes_on_one_node(run):
    lines = words(run('slurm_train.sh', 'part', 'job', CONFIG))
    assert {
        '--ntasks=8',
        '--ntasks-per-node=8',
        '--gres=gpu:8',
        '--cpus-per-task=5',
    } <= set(lines)


def test_small_slurm_job_does_not_ask_for_a_whole_node(run):
    lines = words(run('slurm_train.sh', 'part', 'job', CONFIG, GPUS='2'))
    assert {'--ntasks=2', '--ntasks-per-node=2', '--gres=gpu:2'} <= set(lines)


def test_nodes_without_gpus_are_not_asked_for_gpus(run):
    lines = words(run('slurm_train.sh', 'p', 'j', CONFIG, GPUS='2', GPUS_PER_NODE='0'))
    assert not [line for line in lines if 'gres' in line]
    assert '--ntasks=2' in lines


def test_slurm_test_hands_on_the_checkpoint(run, tmp_path):
    checkpoint = tmp_path / 'a b.pth'
    checkpoint.touch()
    _, test = options_before(
        words(
            run('slurm_test.sh', 'p', 'j', CONFIG, str(checkpoint), '--out', 'm.json')
        ),
        '/tools/test.py',
    )
    assert test == [CONFIG, str(checkpoint), '--out', 'm.json', '--launcher=slurm']


def test_dist_train_on_one_machine_takes_a_free_port(run):
    torchrun, train = options_before(
        words(run('dist_train.sh', CONFIG, '4', '--resume')), 'train.py'
    )
    assert torchrun[1:] == [
        '-m',
        'torch.distributed.run',
        '--standalone',
        '--local_addr=127.0.0.1',
        '--nproc_per_node=4',
    ]
    assert train == [CONFIG, '--launcher', 'pytorch', '--resume']


def test_dist_train_on_several_machines(run):
    torchrun, _ = options_before(
        words(
            run(
                'dist_train.sh',
                CONFIG,
                '8',
                NNODES='2',
                NODE_RANK='1',
                MASTER_ADDR='10.0.0.1',
                PORT='1234',
            )
        ),
        'train.py',
    )
    assert torchrun[3:] == [
        '--nnodes=2',
        '--node_rank=1',
        '--master_addr=10.0.0.1',
        '--master_port=1234',
        '--nproc_per_node=8',
    ]


def test_dist_test_takes_config_checkpoint_gpus(run, tmp_path):
    (tmp_path / 'x.pth').touch()
    torchrun, test = options_before(
        words(run('dist_test.sh', CONFIG, str(tmp_path / 'x.pth'), '2', PORT='1234')),
        'test.py',
    )
    assert '--nproc_per_node=2' in torchrun
    assert '--master_port=1234' in torchrun
    assert test == [CONFIG, str(tmp_path / 'x.pth'), '--launcher', 'pytorch']


def test_runs_from_any_folder_with_spaces_in_all_paths(repo_root, run, tmp_path):
    tools = tmp_path / 'a checkout' / 'tools'
    shutil.copytree(repo_root / 'tools', tools)
    here = tmp_path / 'some where'
    here.mkdir()
    (here / 'my config.py').touch()
    for script, args in (
        ('dist_train.sh', ['my config.py', '2']),
        ('slurm_train.sh', ['p', 'j', 'my config.py']),
    ):
        lines = words(run(script, *args, cwd=here, tools=tools))
        _, train = options_before(lines, '/a checkout/tools/train.py')
        assert train[0] == 'my config.py'


@pytest.mark.parametrize(
    'script, args, env, said',
    [
        ('dist_train.sh', [CONFIG], {}, 'how many processes?'),
        ('dist_train.sh', [CONFIG, 'two'], {}, 'GPUS must be a whole number'),
        ('dist_train.sh', [CONFIG, '0'], {}, 'GPUS must be at least 1'),
        ('dist_train.sh', ['nope.py', '2'], {}, 'no config at nope.py'),
        ('dist_train.sh', [CONFIG, '8'], {'NNODES': '2'}, 'needs MASTER_ADDR'),
        (
            'dist_train.sh',
            [CONFIG, '8'],
            {'NNODES': '2', 'NODE_RANK': '2', 'MASTER_ADDR': '10.0.0.1'},
            'NODE_RANK counts from 0',
        ),
        ('dist_test.sh', [CONFIG, '2'], {}, 'CONFIG CHECKPOINT GPUS'),
        ('dist_test.sh', [CONFIG, 'no.pth', '2'], {}, 'no checkpoint at no.pth'),
        ('slurm_train.sh', ['part', 'job'], {}, 'PARTITION JOB CONFIG'),
        ('slurm_train.sh', ['part', 'job', 'nope.py'], {}, 'no config at nope.py'),
        ('slurm_train.sh', ['part', 'job', CONFIG, 'work'], {}, '--work-dir DIR'),
        ('slurm_train.sh', ['p', 'j', CONFIG], {'GPUS': 'x'}, "not 'x'"),
        ('slurm_test.sh', ['part', 'job', CONFIG], {}, 'CHECKPOINT'),
    ],
)
def test_says_what_is_missing(run, script, args, env, said):
    result = run(script, *args, **env)
    assert result.returncode == 2
    assert said in result.stderr and result.stdout == ''


def test_says_that_there_is_no_srun(run, stubs):
    (stubs / 'srun').unlink()
    for name in ('basename', 'dirname', 'sed'):  # of all that is installed
        (stubs / name).symlink_to(shutil.which(name))
    result = run('slurm_train.sh', 'part', 'job', CONFIG, PATH=str(stubs))
    assert result.returncode == 2
    assert 'no srun' in result.stderr and 'dist_train.sh' in result.stderr


def test_says_that_python_has_no_torch(run, stubs):
    (stubs / 'python').write_text('#!/bin/sh\nexit 1\n')
    result = run('dist_train.sh', CONFIG, '2')
    assert result.returncode == 2
    assert 'has no torch: activate the environment' in result.stderr


@pytest.mark.parametrize(
    'script, args',
    [
        ('dist_train.sh', [CONFIG, '2']),
        ('slurm_train.sh', ['p', 'j', CONFIG]),
    ],
)
def test_exit_code_is_the_launchers(run, script, args):
    assert run(script, *args, STUB_EXIT='7').returncode == 7


@pytest.mark.parametrize(
    'name, script, args',
    [
        ('python', 'dist_train.sh', [CONFIG, '2']),
        ('srun', 'slurm_train.sh', ['p', 'j', CONFIG]),
    ],
)
def test_signals_reach_the_launcher(repo_root, stubs, tmp_path, name, script, args):
    """A scheduler signals the process it started, which is the script."""
    (stubs / name).write_text(
        '#!/bin/sh\n[ "$1" = -c ] && exit 0\n'
        f'trap "echo got it >{tmp_path}/end; exit 5" '
        f'TERM\ntouch {tmp_path}/up\n'
        'while :; do sleep 0.05; done\n'
    )
    process = subprocess.Popen(
        [SHELL, f'tools/{script}', *args],
        cwd=repo_root,
        env={'PATH': f'{stubs}:{os.defpath}'},
    )
    for _ in range(200):
        if (tmp_path / 'up').exists():
            break
        time.sleep(0.05)
    process.send_signal(signal.SIGTERM)
    assert process.wait(timeout=10) == 5
    assert (tmp_path / 'end').exists()


@pytest.mark.skipif(shutil.which('make') is None, reason='there is no make')
def test_make_refuses_a_python_that_is_not_there(repo_root):
    """Also where an environment exists and nothing is left to do."""
    result = subprocess.run(
        ['make', '-n', 'env', 'PYTHON=/no/python'],
        cwd=repo_root,
        text=True,
        capture_output=True,
    )
    assert result.returncode == 2
    assert 'There is no Python at /no/python' in result.stderr
    result = subprocess.run(['make', '-n', 'env', 'PYTHON=python3'], cwd=repo_root)
    assert result.returncode == 0
