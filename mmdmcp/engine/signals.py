"""Signals that ask a run to end reach the process that can end it."""

import os
import signal
import threading
from collections.abc import Callable
from functools import partial

from torch.utils.data import DataLoader


def protect_workers(loader: DataLoader) -> None:
    """Let a loader's workers outlive the signals that end the run.

    Slurm, ``timeout`` and Ctrl-C signal every process of a job. A worker
    that died of it would take the training process down with it, in the
    middle of an iteration or of writing a checkpoint.

    Args:
        loader: A data loader whose workers have not started.
    """
    loader.worker_init_fn = partial(_outlive, loader.worker_init_fn)


def _outlive(init: Callable[[int], None] | None, worker: int) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    # SIGTERM can't be ignored altogether: Python ends workers with it.
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
    threading.Thread(target=_obey_parent, daemon=True).start()
    if init is not None:
        init(worker)


def _obey_parent() -> None:
    while signal.sigwaitinfo({signal.SIGTERM}).si_pid != os.getppid():
        pass
    os._exit(0)
