"""A Slurm cluster of one machine, on loopback, for the length of the tests."""

import os
import shutil
import socket
import subprocess
import time
from pathlib import Path

import pytest

SBIN = '/usr/sbin:/usr/local/sbin'
CONF = """
ClusterName=mmdmcp-tests
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={ports[0]}
SlurmdPort={ports[1]}
SlurmUser={user}
SlurmdUser={user}
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket
CryptoType=crypto/munge
CommunicationParameters=NoInAddrAny,NoCtldInAddrAny
# No systemd and no control groups are needed.
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
MpiDefault=none
# More CPUs than the machine may have.
SlurmdParameters=config_overrides
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
ReturnToService=2
# Slurm's own default: time to write a checkpoint after SIGTERM.
KillWait=30
SchedulerParameters=batch_sched_delay=1,bf_interval=1,sched_interval=1
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd.log
GresTypes=gpu
NodeName={host} NodeAddr=127.0.0.1 CPUs=4 Gres=gpu:2 State=UNKNOWN
PartitionName=tests Nodes={host} Default=YES MaxTime=INFINITE State=UP
"""


class Cluster:
    """A running Slurm; every command goes to it and to no other."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.env = {
            **os.environ,
            'SLURM_CONF': str(folder / 'slurm.conf'),
            'PATH': f'{os.environ["PATH"]}:{SBIN}',
        }
        self.daemons = []

    def call(self, *command, **kwargs) -> subprocess.CompletedProcess:
        """Run a command in the cluster's environment."""
        return subprocess.run(
            list(map(str, command)),
            env={**self.env, **kwargs.pop('env', {})},
            text=True,
            capture_output=True,
            **kwargs,
        )

    def daemon(self, *command) -> subprocess.Popen:
        """Start a process that runs until the cluster is stopped."""
        log = open(self.folder / f'{Path(command[0]).name}.out', 'w')
        process = subprocess.Popen(
            list(map(str, command)), env=self.env, stdout=log, stderr=subprocess.STDOUT
        )
        self.daemons.append(process)
        return process

    def state(self, job: str) -> str:
        """State of a job, such as RUNNING."""
        text = self.call('scontrol', '-o', 'show', 'job', job).stdout
        return text.split('JobState=')[-1].split()[0] if text else 'UNKNOWN'

    def wait(self, condition, seconds: float, what: str) -> None:
        """Wait until ``condition()``; fail with the logs."""
        end = time.monotonic() + seconds
        while not condition():
            if time.monotonic() > end:
                logs = [
                    f'{log.name}: {log.read_text()[-1500:]}'
                    for pattern in ('*.log', '*.out')
                    for log in self.folder.glob(pattern)
                ]
                raise TimeoutError(f'{what} within {seconds} s\n' + '\n'.join(logs))
            time.sleep(0.5)

    def start(self) -> None:
        """Start munged, slurmctld and slurmd, and wait for the node."""
        folder = self.folder
        folder.chmod(0o755)
        for name in ('state', 'spool'):
            (folder / name).mkdir()
        (folder / 'munge.key').write_bytes(os.urandom(128))
        (folder / 'munge.key').chmod(0o600)
        host = socket.gethostname().split('.')[0]
        text = CONF.format(
            host=host,
            folder=folder,
            ports=free_ports(2),
            user=os.environ.get('USER') or whoami(),
        )
        (folder / 'slurm.conf').write_text(text)
        # Two devices that every machine has play the GPUs.
        (folder / 'gres.conf').write_text(
            'Name=gpu File=/dev/null\nName=gpu File=/dev/zero\n'
        )
        self.daemon(
            'munged',
            '--foreground',
            '--force',
            f'--socket={folder}/munge.socket',
            f'--key-file={folder}/munge.key',
            f'--log-file={folder}/munged.log',
            f'--pid-file={folder}/munged.pid',
            f'--seed-file={folder}/munged.seed',
        )
        self.wait((folder / 'munge.socket').exists, 20, 'munged did not start')
        self.daemon('slurmctld', '-D')
        self.daemon('slurmd', '-D', '-N', host)
        self.wait(
            lambda: 'idle' in self.call('sinfo', '-h', '-o', '%T').stdout,
            60,
            'the node was not ready',
        )

    def stop(self) -> None:
        """Cancel what still runs and stop the daemons."""
        if len(self.daemons) > 1:
            self.call('scancel', '--partition=tests', timeout=30)
        for process in reversed(self.daemons):
            process.terminate()
        for process in reversed(self.daemons):
            try:
                process.wait(timeout=20)
            except subprocess.TimeoutExpired:
                process.kill()


def whoami() -> str:
    import pwd

    return pwd.getpwuid(os.getuid()).pw_name


def free_ports(count: int) -> list:
    """Ports that nothing listens on now."""
    holders = [socket.socket() for _ in range(count)]
    for holder in holders:
        holder.bind(('127.0.0.1', 0))
    ports = [holder.getsockname()[1] for holder in holders]
    for holder in holders:
        holder.close()
    return ports


@pytest.fixture(scope='session')
def cluster():
    """A running one-machine Slurm; skips where it isn't installed."""
    path = f'{os.environ["PATH"]}:{SBIN}'
    missing = [
        name
        for name in ('munged', 'slurmctld', 'slurmd', 'srun', 'sbatch')
        if shutil.which(name, path=path) is None
    ]
    if missing:
        pytest.skip(
            f'Slurm is not installed (no {", ".join(missing)}); '
            '`make test-slurm` installs it where it can'
        )
    # Not pytest's folder: a socket's path must be short, and munged wants
    # nobody else to be able to write above it.
    import tempfile

    folder = Path(tempfile.mkdtemp(prefix='slurm-'))
    running = Cluster(folder)
    try:
        running.start()
        yield running
    finally:
        running.stop()
        shutil.rmtree(folder, ignore_errors=True)
