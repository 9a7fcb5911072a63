"""Where a process stands in a job, and how it joins the others.

MMEngine's launchers call ``torch.cuda.set_device`` whatever the machine, so
a node without GPUs can't join. Here the process group is started before the
Runner is built, over nccl on GPUs and over gloo on CPUs; the Runner finds it
started and leaves it alone.
"""

import atexit
import gc
import os
import re
import socket
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta

import torch
import torch.distributed as dist

from ..errors import ConfigError, LaunchError

LOOPBACK = '127.0.0.1'
DEFAULT_PORT = 29500  # that of torch.distributed


@dataclass(frozen=True)
class RankInfo:
    """The place of one process in a job.

    Attributes:
        rank (int): Number of the process, ``0 <= rank < world_size``.
        world_size (int): Number of processes.
        local_rank (int): Number of the process on its machine.
        master_addr (str): Host of rank 0.
        master_port (int): Port of rank 0 where the processes meet.
    """

    rank: int
    world_size: int
    local_rank: int
    master_addr: str
    master_port: int

    def environment(self) -> dict[str, str]:
        """The variables that torch and MMEngine read."""
        return {
            'RANK': str(self.rank),
            'WORLD_SIZE': str(self.world_size),
            'LOCAL_RANK': str(self.local_rank),
            'MASTER_ADDR': self.master_addr,
            'MASTER_PORT': str(self.master_port),
        }


def first_host(nodelist: str) -> str:
    """The first host of a Slurm node list.

    What ``scontrol show hostnames`` prints first; compute nodes and
    containers don't always have ``scontrol``.

    Example:
        >>> first_host('gpu[003-004,7],cpu1')
        'gpu003'
    """
    # Commas inside brackets separate numbers, those outside separate hosts.
    first = re.match(r'(?:\[[^\]]*\]|[^,\[])+', nodelist)
    if first is None:
        raise LaunchError(f'no host in the Slurm node list {nodelist!r}')
    return re.sub(r'\[([^\],-]+)[^\]]*\]', r'\1', first.group())


def _from_torchrun(env: Mapping[str, str], port: int | None) -> RankInfo:
    return RankInfo(
        rank=int(env['RANK']),
        world_size=int(env['WORLD_SIZE']),
        local_rank=int(env['LOCAL_RANK']),
        master_addr=env.get('MASTER_ADDR', LOOPBACK),
        # torchrun has chosen the port that its own store listens on.
        master_port=int(env.get('MASTER_PORT') or port or DEFAULT_PORT),
    )


def _from_slurm(env: Mapping[str, str], port: int | None) -> RankInfo:
    # SLURM_STEP_* describe this step; the others may be the whole job's.
    nodes = env.get('SLURM_STEP_NODELIST') or env['SLURM_NODELIST']
    hosts = int(env.get('SLURM_STEP_NUM_NODES') or env.get('SLURM_NNODES') or 0)
    if port is None:
        # Jobs that share a node must not share a port, and all tasks of a
        # step must find the same one without asking. Below 32768, where
        # Linux starts to hand out ports of its own.
        step = int(env.get('SLURM_STEP_ID', 0))
        port = 10000 + (int(env.get('SLURM_JOB_ID', 0)) * 8 + step) % 20000
    return RankInfo(
        rank=int(env['SLURM_PROCID']),
        world_size=int(env.get('SLURM_STEP_NUM_TASKS') or env['SLURM_NTASKS']),
        local_rank=int(env['SLURM_LOCALID']),
        master_addr=env.get('MASTER_ADDR')
        or (LOOPBACK if hosts == 1 else first_host(nodes)),
        master_port=int(env.get('MASTER_PORT', port)),
    )


def _from_mpi(env: Mapping[str, str], port: int | None) -> RankInfo:
    world_size = int(env['OMPI_COMM_WORLD_SIZE'])
    address = env.get('MASTER_ADDR')
    if address is None:
        if int(env.get('OMPI_COMM_WORLD_LOCAL_SIZE', 0)) != world_size:
            raise LaunchError(
                'mpirun does not say which host rank 0 is on: add '
                '`-x MASTER_ADDR=<host of rank 0>` to its command line'
            )
        address = LOOPBACK
    return RankInfo(
        rank=int(env['OMPI_COMM_WORLD_RANK']),
        world_size=world_size,
        local_rank=int(env['OMPI_COMM_WORLD_LOCAL_RANK']),
        master_addr=address,
        master_port=int(env.get('MASTER_PORT', port or DEFAULT_PORT)),
    )


_LAUNCHERS: dict[str, Callable[[Mapping[str, str], int | None], RankInfo]] = {
    'pytorch': _from_torchrun,
    'slurm': _from_slurm,
    'mpi': _from_mpi,
}
_HOW_TO_START = {
    'pytorch': '`sh tools/dist_train.sh CONFIG GPUS` or torchrun',
    'slurm': '`sh tools/slurm_train.sh PARTITION JOB CONFIG` or srun',
    'mpi': 'mpirun of Open MPI',
}


def rank_info(
    launcher: str, env: Mapping[str, str] | None = None, port: int | None = None
) -> RankInfo:
    """Read this process's place from what its launcher has set.

    Args:
        launcher (str): 'pytorch' (torchrun), 'slurm' or 'mpi' (Open MPI).
        env (Mapping, optional): Environment; the process's own by default.
        port (int, optional): Port where the processes meet if the
            environment has no ``MASTER_PORT``. By default derived from the
            job under Slurm, else 29500.

    Raises:
        LaunchError: If the launcher has not started this process.
    """
    env = os.environ if env is None else env
    if launcher not in _LAUNCHERS:
        raise LaunchError(
            f'launcher {launcher!r} is unknown: use one of '
            f'none, {", ".join(_LAUNCHERS)}'
        )
    try:
        return _LAUNCHERS[launcher](env, port)
    except (KeyError, ValueError) as error:
        raise LaunchError(
            f'--launcher {launcher} needs a process that was started by '
            f'{_HOW_TO_START[launcher]}, but the environment is not that of '
            f'one: {error}. Without --launcher a single process is used'
        ) from error


def _choose_gpu(info: RankInfo, launcher: str) -> int:
    """The index of this process's GPU among those that it sees."""
    visible = torch.cuda.device_count()
    if info.local_rank < visible:
        return info.local_rank
    if launcher == 'slurm' and visible == 1:
        return 0  # Slurm binds a GPU to each task and hides the others
    raise LaunchError(
        f'process {info.local_rank} on {socket.gethostname()} finds no GPU '
        f'of its own: {visible} visible. Start at most {visible} a machine '
        '(GPUS or GPUS_PER_NODE), or set CUDA_VISIBLE_DEVICES=-1 for CPU'
    )


def _group_options(dist_cfg: Mapping, cpu: bool) -> dict:
    """Turn ``env_cfg.dist_cfg`` into arguments of ``init_process_group``."""
    options = {
        key: value
        for key, value in dist_cfg.items()
        if key not in ('port', 'init_backend')
    }
    options.setdefault('backend', 'nccl')
    if cpu and 'nccl' in options['backend']:
        options['backend'] = 'gloo'
    if 'timeout' in options:
        try:
            options['timeout'] = timedelta(seconds=options['timeout'])
        except TypeError as error:
            raise ConfigError(
                'env_cfg.dist_cfg.timeout must be a number of '
                f'seconds, not {options["timeout"]!r}'
            ) from error
    return options


def _prepare_cpu(info: RankInfo) -> None:
    """Give each process its cores, and local ones the loopback interface."""
    if 'OMP_NUM_THREADS' not in os.environ:
        # torch has counted the cores of the machine, not those of the task.
        torch.set_num_threads(int(os.environ.get('SLURM_CPUS_PER_TASK', 1)))
    names = [name for _, name in socket.if_nameindex()]
    if info.master_addr in (LOOPBACK, 'localhost') and 'lo' in names:
        # Else gloo resolves the host name, which fails in some containers.
        os.environ.setdefault('GLOO_SOCKET_IFNAME', 'lo')


@contextmanager
def process_group(launcher: str, device: str, dist_cfg: Mapping) -> Iterator[None]:
    """Join the other processes of the job; leave them at the end.

    Args:
        launcher (str): 'none', 'pytorch', 'slurm' or 'mpi'.
        device (str): MMEngine's device, 'cpu' or 'cuda'. On others (npu,
            mlu, ...) the Runner starts the group in its own way.
        dist_cfg (Mapping): ``env_cfg.dist_cfg`` of the config: ``backend``
            (nccl gives way to gloo on CPU), ``timeout`` in seconds, ``port``
            and further arguments of ``torch.distributed``.

    Raises:
        LaunchError: If the environment is not the launcher's, there are too
            few GPUs, or the processes can't meet.
    """
    theirs = dist_cfg.get('init_backend', 'torch') != 'torch'
    if (
        launcher == 'none'
        or dist.is_initialized()
        or device not in ('cpu', 'cuda')
        or theirs
    ):
        yield
        return
    info = rank_info(launcher, port=dist_cfg.get('port'))
    os.environ.update(info.environment())
    if device == 'cuda':
        gpu = _choose_gpu(info, launcher)
        os.environ['LOCAL_RANK'] = str(gpu)  # MMEngine takes it for the GPU
        torch.cuda.set_device(gpu)
    else:
        _prepare_cpu(info)
    try:
        dist.init_process_group(
            rank=info.rank,
            world_size=info.world_size,
            **_group_options(dist_cfg, cpu=device == 'cpu'),
        )
    except (RuntimeError, ValueError) as error:
        raise LaunchError(
            f'rank {info.rank} of {info.world_size} could not meet the '
            f'others at {info.master_addr}:{info.master_port}: {error}\n'
            'If another job holds the port, set MASTER_PORT (PORT for '
            'dist_train.sh); if the host is not the one of rank 0, set '
            'MASTER_ADDR'
        ) from error
    # A Runner is a ring of references, and its model holds the group: left to the
    # end of Python, threads of torch that still have tensors abort the process.
    atexit.register(gc.collect)
    yield
    # Not after an error: the others may be waiting for this process inside
    # a collective, and leaving the group could wait for them. Together: rank
    # 0 keeps the store, and one that goes ahead closes what others read.
    dist.barrier()
    dist.destroy_process_group()
