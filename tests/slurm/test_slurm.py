"""Searches submitted to a real Slurm, as users submit them."""

import json
import re
import signal
import subprocess
import sys

import pytest
import torch

from mmdmcp.compat import allow_containers
from mmdmcp.subnet import Subnet

allow_containers()
SEARCH = 'pruning/dmcp/dmcp_resnet14_supernet_digits.py'
PLAIN = 'pruning/dmcp/resnet14_digits.py'
EPOCHS = 4
# 1,079 images in batches of 64 on two processes: 9 iterations an epoch.
SHORT = [
    '--cfg-options',
    f'train_cfg.max_epochs={EPOCHS}',
    'default_hooks.checkpoint.interval=1',
    'default_hooks.logger.interval=3',
]
ENV = dict(
    PYTHON=sys.executable,
    GPUS='2',
    GPUS_PER_NODE='0',
    CPUS_PER_TASK='1',
    CUDA_VISIBLE_DEVICES='-1',
)


@pytest.fixture(scope='module')
def tools(repo_root):
    return repo_root / 'tools'


@pytest.fixture(scope='module')
def searched(cluster, tools, tmp_path_factory):
    """The work dir and log of a search with two tasks."""
    work_dir = tmp_path_factory.mktemp('a search')
    result = cluster.call(
        'sh',
        tools / 'slurm_train.sh',
        'tests',
        'search',
        SEARCH,
        '--work-dir',
        work_dir,
        *SHORT,
        env=ENV,
        cwd=work_dir,
    )
    assert result.returncode == 0, result.stderr
    return work_dir, result.stdout + result.stderr


def test_search_with_two_tasks(searched):
    work_dir, log = searched
    assert f'Epoch(train) [{EPOCHS}][9/9]' in log
    subnet = Subnet.load(work_dir / 'DMCP_SUBNET_DIGITS.yaml')
    assert subnet.cost['macs'] == pytest.approx(subnet.target['macs'], rel=0.01)
    weights = torch.load(work_dir / 'DMCP_SUBNET_DIGITS.pth', weights_only=True)
    assert weights


def test_two_tasks_test_like_one(cluster, tools, searched, tmp_path):
    """Also: nodes whose GPUs torch can't use are nodes without GPUs."""
    if torch.cuda.is_available():
        pytest.skip("the cluster's two GPUs are not real, but this one is")
    _work_dir, _ = searched
    train = cluster.call(
        'sh',
        tools / 'slurm_train.sh',
        'tests',
        'plain',
        PLAIN,
        '--work-dir',
        tmp_path,
        '--cfg-options',
        'train_cfg.max_epochs=1',
        env={**ENV, 'GPUS_PER_NODE': '2'},
    )
    assert train.returncode == 0, train.stderr
    results = []
    for tasks in ('1', '2'):
        out = tmp_path / f'{tasks}.json'
        test = cluster.call(
            'sh',
            tools / 'slurm_test.sh',
            'tests',
            'test',
            PLAIN,
            tmp_path / 'epoch_1.pth',
            '--work-dir',
            tmp_path,
            '--out',
            out,
            env={**ENV, 'GPUS': tasks},
        )
        assert test.returncode == 0, test.stderr
        results.append(json.loads(out.read_text()))
    assert results[0] == results[1]


def test_requeued_search_continues(cluster, tools, searched, tmp_path):
    """The node is taken away in the middle; the job comes back and ends.

    With the result of the search that nothing happened to, to the last bit.
    """
    script = (
        f'sh {tools}/slurm_train.sh tests requeued {SEARCH} --work-dir '
        f'{tmp_path} --resume {" ".join(SHORT)}'
    )
    submitted = cluster.call(
        'sbatch',
        '--parsable',
        '--requeue',
        '--open-mode=append',
        f'--output={tmp_path}/job.out',
        '--partition=tests',
        '--ntasks=2',
        '--wrap',
        script,
        env=ENV,
        cwd=tmp_path,
    )
    assert submitted.returncode == 0, submitted.stderr
    job = submitted.stdout.strip()
    cluster.wait((tmp_path / 'epoch_2.pth').exists, 400, 'no checkpoint')
    requeued = cluster.call('scontrol', 'requeue', job)
    assert requeued.returncode == 0, requeued.stderr
    # Slurm lets a requeued job wait for two minutes.
    cluster.wait(lambda: cluster.state(job) == 'PENDING', 60, 'not requeued')
    cluster.call('scontrol', 'update', f'JobId={job}', 'StartTime=now')
    ends = ('COMPLETED', 'FAILED', 'CANCELLED')
    cluster.wait(lambda: cluster.state(job) in ends, 400, 'job did not end')
    log = (tmp_path / 'job.out').read_text()
    assert cluster.state(job) == 'COMPLETED', log
    info = cluster.call('scontrol', '-o', 'show', 'job', job).stdout
    assert 'Restarts=1' in info
    # Nothing was trained twice but what came after the last checkpoint.
    first = [int(n) for n in re.findall(r'Epoch\(train\) +\[(\d+)\]\[3/9\]', log)]
    assert first.count(1) == first.count(2) == 1 and first[-1] == EPOCHS
    for name in ('mutator.alpha', 'architecture.head.fc.weight'):
        ours, theirs = (
            torch.load(folder / f'epoch_{EPOCHS}.pth', weights_only=True)['state_dict'][
                name
            ]
            for folder in (tmp_path, searched[0])
        )
        assert torch.equal(ours, theirs), name
    assert (tmp_path / 'DMCP_SUBNET_DIGITS.yaml').read_text() == (
        searched[0] / 'DMCP_SUBNET_DIGITS.yaml'
    ).read_text()


def test_failure_reaches_the_user(cluster, tools, tmp_path):
    result = cluster.call(
        'sh',
        tools / 'slurm_train.sh',
        'tests',
        'fails',
        PLAIN,
        '--work-dir',
        tmp_path,
        '--cfg-options',
        'train_dataloader.dataset.data_root=no where',
        env=ENV,
    )
    # One task fails and Slurm ends the other: the code is either's.
    assert result.returncode != 0
    assert 'DataError: train_dataloader: data_root' in result.stderr
    assert 'no where' in result.stderr and 'Traceback' not in result.stderr


def test_signal_to_the_script_ends_the_job(cluster, tools, tmp_path):
    process = subprocess.Popen(
        [
            'sh',
            str(tools / 'slurm_train.sh'),
            'tests',
            'stopped',
            PLAIN,
            '--work-dir',
            str(tmp_path),
            '--cfg-options',
            'default_hooks.checkpoint.interval=1',
            'train_cfg.max_epochs=10000',
        ],
        env={**cluster.env, **ENV},
        stderr=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
    )
    try:
        cluster.wait((tmp_path / 'epoch_1.pth').exists, 200, 'no checkpoint')
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=60) != 0
    finally:
        process.kill()
    running = ['squeue', '-h', '--name=stopped', '--states=RUNNING']
    cluster.wait(lambda: not cluster.call(*running).stdout, 60, 'the job went on')
