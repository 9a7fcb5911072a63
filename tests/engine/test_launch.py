"""Where a process stands, and that processes without GPUs do meet."""

import os
import subprocess
import sys

import pytest
import torch.distributed as dist

from mmdmcp.engine.launch import first_host, process_group, rank_info
from mmdmcp.errors import ConfigError, LaunchError

SLURM = dict(
    SLURM_PROCID='3',
    SLURM_LOCALID='1',
    SLURM_NTASKS='4',
    SLURM_NODELIST='node[07-08]',
    SLURM_NNODES='2',
    SLURM_JOB_ID='4711',
    SLURM_STEP_ID='0',
)


@pytest.mark.parametrize(
    'nodelist, host',
    [
        ('localhost', 'localhost'),
        ('node7', 'node7'),
        ('node07,node09', 'node07'),
        ('node[07-09,12],other[1-2]', 'node07'),
        ('gpu[12,3]', 'gpu12'),
        ('rack[2-3]n[01-10]', 'rack2n01'),
        ('rack[2-3]-gpu.example.org', 'rack2-gpu.example.org'),
    ],
)
def test_first_host_of_a_slurm_nodelist(nodelist, host):
    assert first_host(nodelist) == host


def test_no_host_is_an_error():
    with pytest.raises(LaunchError, match='no host'):
        first_host('')


def test_slurm_gives_rank_size_and_first_host():
    place = rank_info('slurm', SLURM)
    assert (place.rank, place.world_size, place.local_rank) == (3, 4, 1)
    assert place.master_addr == 'node07'
    assert 10000 <= place.master_port < 30000


def test_slurm_step_is_believed_before_the_job():
    """A step may use fewer tasks and nodes than the job it runs in."""
    place = rank_info(
        'slurm',
        {
            **SLURM,
            'SLURM_STEP_NUM_TASKS': '2',
            'SLURM_STEP_NODELIST': 'node08',
            'SLURM_STEP_NUM_NODES': '1',
        },
    )
    assert place.world_size == 2
    assert place.master_addr == '127.0.0.1'


def test_slurm_jobs_and_steps_on_a_node_use_different_ports():
    ports = {
        rank_info(
            'slurm', {**SLURM, 'SLURM_JOB_ID': str(job), 'SLURM_STEP_ID': str(step)}
        ).master_port
        for job in range(100, 110)
        for step in range(8)
    }
    assert len(ports) == 80


def test_user_decides_on_address_and_port():
    env = {**SLURM, 'MASTER_ADDR': 'ib-node07', 'MASTER_PORT': '1234'}
    place = rank_info('slurm', env, port=99)
    assert (place.master_addr, place.master_port) == ('ib-node07', 1234)
    assert rank_info('slurm', SLURM, port=99).master_port == 99


def test_torchrun_and_mpi():
    env = dict(RANK='1', WORLD_SIZE='2', LOCAL_RANK='1', MASTER_PORT='77')
    assert rank_info('pytorch', env).environment() == {
        **env,
        'MASTER_ADDR': '127.0.0.1',
    }
    mpi = dict(
        OMPI_COMM_WORLD_RANK='1',
        OMPI_COMM_WORLD_SIZE='2',
        OMPI_COMM_WORLD_LOCAL_RANK='0',
        OMPI_COMM_WORLD_LOCAL_SIZE='1',
    )
    with pytest.raises(LaunchError, match='-x MASTER_ADDR'):
        rank_info('mpi', mpi)
    mpi['MASTER_ADDR'] = 'node1'
    place = rank_info('mpi', mpi)
    assert (place.rank, place.local_rank, place.world_size) == (1, 0, 2)


@pytest.mark.parametrize(
    'launcher, how',
    [
        ('pytorch', 'dist_train.sh'),
        ('slurm', 'slurm_train.sh'),
        ('mpi', 'mpirun'),
    ],
)
def test_launcher_that_did_not_launch(launcher, how):
    with pytest.raises(LaunchError, match=how):
        rank_info(launcher, {})
    with pytest.raises(LaunchError, match='one of none, pytorch, slurm, mpi'):
        rank_info('torch', {})


@pytest.fixture
def alone(monkeypatch):
    """The environment of a job with one process."""
    for name, value in dict(
        RANK='0',
        WORLD_SIZE='1',
        LOCAL_RANK='0',
        MASTER_ADDR='127.0.0.1',
        MASTER_PORT='0',
    ).items():
        monkeypatch.setenv(name, value)


def test_gloo_takes_the_place_of_nccl_on_cpu(alone):
    with process_group('pytorch', 'cpu', dict(backend='nccl', timeout=60)):
        assert dist.get_backend() == 'gloo'
    assert not dist.is_initialized()


def test_no_launcher_no_group():
    with process_group('none', 'cpu', {}):
        assert not dist.is_initialized()


def test_group_that_exists_is_left_alone(alone):
    with process_group('pytorch', 'cpu', {}):
        with process_group('pytorch', 'cpu', {}):
            pass
        assert dist.is_initialized()


def test_timeout_must_be_seconds(alone):
    with pytest.raises(ConfigError, match='timeout must be a number'):
        with process_group('pytorch', 'cpu', dict(timeout='long')):
            pass


def test_too_few_gpus(alone, monkeypatch):
    monkeypatch.setenv('LOCAL_RANK', '3')
    monkeypatch.setattr('torch.cuda.device_count', lambda: 2)
    with pytest.raises(LaunchError, match='2 visible.*GPUS_PER_NODE'):
        with process_group('pytorch', 'cuda', {}):
            pass


def test_slurm_task_bound_to_one_gpu_uses_it(monkeypatch):
    """With --gpus-per-task each task sees one GPU, whatever its number."""
    from mmdmcp.engine.launch import _choose_gpu

    monkeypatch.setattr('torch.cuda.device_count', lambda: 1)
    assert _choose_gpu(rank_info('slurm', SLURM), 'slurm') == 0


def test_port_in_use_says_which_variable_to_set(alone, monkeypatch):
    import socket

    with socket.socket() as holder:
        holder.bind(('127.0.0.1', 0))
        holder.listen()
        monkeypatch.setenv('MASTER_PORT', str(holder.getsockname()[1]))
        with pytest.raises(LaunchError, match='set MASTER_PORT'):
            with process_group('pytorch', 'cpu', {}):
                pass


TASK = """
import os, torch, torch.distributed as dist
from mmdmcp.engine.launch import process_group
with process_group('slurm', 'cpu', dict(backend='nccl')):
    total = torch.tensor(float(dist.get_rank() + 1))
    dist.all_reduce(total)
    print(dist.get_rank(), dist.get_world_size(), total.item(),
          os.environ['LOCAL_RANK'], torch.get_num_threads())
"""


def test_slurm_tasks_without_gpus_meet(repo_root):
    """Two processes with nothing but Slurm's variables."""
    env = {k: v for k, v in os.environ.items() if k != 'OMP_NUM_THREADS'}
    env.update(
        SLURM,
        SLURM_NTASKS='2',
        SLURM_NODELIST='nowhere',
        SLURM_NNODES='1',
        SLURM_CPUS_PER_TASK='1',
        PYTHONPATH=str(repo_root),
        SLURM_JOB_ID=str(os.getpid()),
        CUDA_VISIBLE_DEVICES='-1',
    )
    tasks = [
        subprocess.Popen(
            [sys.executable, '-c', TASK],
            env={**env, 'SLURM_PROCID': str(rank), 'SLURM_LOCALID': str(rank)},
            stdout=subprocess.PIPE,
            text=True,
        )
        for rank in range(2)
    ]
    output = [task.communicate(timeout=100)[0].split() for task in tasks]
    assert output == [[str(rank), '2', '3.0', str(rank), '1'] for rank in range(2)]


RING = """
import atexit, weakref, torch
from torch.nn.parallel import DistributedDataParallel
from mmdmcp.engine.launch import process_group

class Runner: pass

seen = []
atexit.register(lambda: print(seen[0]() is None))
with process_group('pytorch', 'cpu', {}):
    runner = Runner()
    runner.hook, runner.model = runner, DistributedDataParallel(torch.nn.Linear(1, 1))
    seen.append(weakref.ref(runner.model))
del runner
"""


def test_what_holds_the_group_is_gone_before_python_ends(alone, repo_root):
    """Else torch's threads, which hold tensors, may abort the process."""
    done = subprocess.run(
        [sys.executable, '-c', RING],
        env={**os.environ, 'PYTHONPATH': str(repo_root)},
        capture_output=True,
        text=True,
        timeout=100,
    )
    assert (done.returncode, done.stdout.split()) == (0, ['True']), done.stderr
